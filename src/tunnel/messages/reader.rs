//! Takes messages out of bytes.

use std::borrow::Cow;

use super::{
    BINARY, CLOSE, CONTINUATION, Closed, Event, FIN, FrameError, LONGEST_CONTROL, LONGEST_HEAD,
    MASKED, OPCODE, PING, PONG, RESERVED, Role, TEXT,
};

/// Reads the messages of one side.
#[derive(Debug)]
pub struct Reader {
    sender: Role,
    /// The head of the next frame, as far as it has come.
    head: [u8; LONGEST_HEAD],
    head_len: u8,
    /// The frame whose payload is being read.
    frame: Option<Frame>,
    /// The data message that has begun, without the bytes at hand.
    pub(super) message: Vec<u8>,
    is_in_message: bool,
    /// The payload of the control frame being read, without the bytes at hand.
    control: Vec<u8>,
    /// The largest message.
    limit: usize,
    /// Frames whose heads were read since they were last asked for.
    frames: u32,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: u8,
    is_final: bool,
    left: usize,
    mask: [u8; 4],
    /// How much of the payload has been read, for the mask.
    at: usize,
}

impl Frame {
    fn is_control(&self) -> bool {
        self.opcode & 0x8 != 0
    }
}

impl Reader {
    /// For what `sender` sends. Messages have at most `limit` bytes.
    pub fn new(sender: Role, limit: usize) -> Self {
        Self {
            sender,
            head: [0; LONGEST_HEAD],
            head_len: 0,
            frame: None,
            message: Vec::new(),
            is_in_message: false,
            control: Vec::new(),
            limit,
            frames: 0,
        }
    }

    /// How many frames have begun since the last call.
    pub fn take_frames(&mut self) -> u32 {
        std::mem::take(&mut self.frames)
    }

    /// Takes bytes from the front of `input` up to the next event. `None` if there is none yet;
    /// then all of `input` was taken.
    ///
    /// # Errors
    /// The bytes are no frames, or messages that are not accepted; nothing more can be read.
    pub fn next<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Event<'b>>, FrameError> {
        loop {
            let Some(mut frame) = self.frame.take() else {
                if !self.read_head(input)? {
                    return Ok(None);
                }
                continue;
            };
            let here = frame.left.min(input.len());
            let (payload, rest) = std::mem::take(input).split_at_mut(here);
            *input = rest;
            unmask(payload, frame.mask, frame.at);
            frame.left -= here;
            frame.at += here;
            if frame.left > 0 {
                self.kept(&frame).extend_from_slice(payload);
                self.frame = Some(frame);
                return Ok(None);
            }
            if let Some(event) = self.finish(&frame, payload)? {
                return Ok(Some(event));
            }
        }
    }

    fn kept(&mut self, frame: &Frame) -> &mut Vec<u8> {
        if frame.is_control() {
            &mut self.control
        } else {
            &mut self.message
        }
    }

    /// Reads the head of a frame. `false` if it is not complete yet.
    fn read_head(&mut self, input: &mut &mut [u8]) -> Result<bool, FrameError> {
        loop {
            let have = usize::from(self.head_len);
            let needed = if have < 2 { 2 } else { head_length(&self.head) };
            let here = (needed - have).min(input.len());
            let (head, rest) = std::mem::take(input).split_at_mut(here);
            self.head[have..have + here].copy_from_slice(head);
            *input = rest;
            self.head_len += here as u8;
            if have + here < needed {
                return Ok(false);
            }
            if here == 0 {
                self.head_len = 0;
                self.frame = Some(self.frame(needed)?);
                return Ok(true);
            }
        }
    }

    /// Checks a complete head.
    fn frame(&mut self, length: usize) -> Result<Frame, FrameError> {
        self.frames = self.frames.saturating_add(1);
        let [first, second, ..] = self.head;
        let is_masked = second & MASKED != 0;
        let (opcode, is_final) = (first & OPCODE, first & FIN != 0);
        if first & RESERVED != 0 || is_masked != (self.sender == Role::Client) {
            return Err(FrameError::Protocol);
        }
        let left = payload_length(&self.head).ok_or(FrameError::Protocol)?;
        let mut mask = [0; 4];
        if is_masked {
            mask.copy_from_slice(&self.head[length - 4..length]);
        }
        match opcode {
            CLOSE | PING | PONG if is_final && left <= LONGEST_CONTROL => {}
            CONTINUATION if self.is_in_message => self.check_size(left)?,
            TEXT if !self.is_in_message => {
                self.is_in_message = true;
                self.check_size(left)?;
            }
            BINARY if !self.is_in_message => return Err(FrameError::Binary),
            _ => return Err(FrameError::Protocol),
        }
        Ok(Frame {
            opcode,
            is_final,
            left,
            mask,
            at: 0,
        })
    }

    fn check_size(&self, more: usize) -> Result<(), FrameError> {
        match self.message.len().checked_add(more) {
            Some(size) if size <= self.limit => Ok(()),
            _ => Err(FrameError::TooLarge),
        }
    }

    /// The event that a frame completes. `payload` is what lies in the bytes at hand.
    fn finish<'b>(
        &mut self,
        frame: &Frame,
        payload: &'b mut [u8],
    ) -> Result<Option<Event<'b>>, FrameError> {
        if !frame.is_control() && !frame.is_final {
            self.message.extend_from_slice(payload);
            return Ok(None);
        }
        let kept = std::mem::take(self.kept(frame));
        let whole = joined(kept, payload);
        match frame.opcode {
            PING => Ok(Some(Event::Ping(whole))),
            PONG => Ok(Some(Event::Pong)),
            CLOSE => Ok(Some(Event::Close(closed(&whole)?))),
            _ => {
                self.is_in_message = false;
                text(whole).map(Event::Text).map(Some)
            }
        }
    }
}

fn joined(mut kept: Vec<u8>, payload: &mut [u8]) -> Cow<'_, [u8]> {
    if kept.is_empty() {
        return Cow::Borrowed(payload);
    }
    kept.extend_from_slice(payload);
    Cow::Owned(kept)
}

fn text(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, FrameError> {
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
    .ok_or(FrameError::NotUtf8)
}

fn closed(body: &[u8]) -> Result<Option<Closed>, FrameError> {
    let (code, reason) = match body {
        [] => return Ok(None),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
        [_] => return Err(FrameError::Protocol),
    };
    let is_valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    let reason = std::str::from_utf8(reason).map_err(|_| FrameError::NotUtf8)?;
    if !is_valid {
        return Err(FrameError::Protocol);
    }
    let reason = reason.into();
    Ok(Some(Closed { code, reason }))
}

/// How many bytes the head has, by its first two.
fn head_length(head: &[u8; LONGEST_HEAD]) -> usize {
    let length = match head[1] & !MASKED {
        127 => 10,
        126 => 4,
        _ => 2,
    };
    length + if head[1] & MASKED != 0 { 4 } else { 0 }
}

/// `None` if the length is not in its shortest form, or too large for this machine.
fn payload_length(head: &[u8; LONGEST_HEAD]) -> Option<usize> {
    match head[1] & !MASKED {
        126 => {
            let length = u16::from_be_bytes([head[2], head[3]]);
            (length > 125).then_some(usize::from(length))
        }
        127 => {
            let length = head[2..10].iter().fold(0, |n, b| n << 8 | u64::from(*b));
            let is_shortest = length > u64::from(u16::MAX) && length >> 63 == 0;
            is_shortest.then(|| usize::try_from(length).ok()).flatten()
        }
        short => Some(usize::from(short)),
    }
}

/// Takes the mask off a piece of a payload that begins at byte `at` of it.
fn unmask(payload: &mut [u8], mask: [u8; 4], at: usize) {
    let bytes: [u8; 4] = std::array::from_fn(|n| mask[(at + n) % 4]);
    let [a, b, c, d] = bytes;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    if wide == 0 {
        return;
    }
    let mut pieces = payload.chunks_exact_mut(8);
    for piece in &mut pieces {
        if let Ok(eight) = <[u8; 8]>::try_from(&*piece) {
            piece.copy_from_slice(&(u64::from_ne_bytes(eight) ^ wide).to_ne_bytes());
        }
    }
    for (byte, mask) in pieces.into_remainder().iter_mut().zip(bytes.iter().cycle()) {
        *byte ^= mask;
    }
}
