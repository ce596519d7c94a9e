// WebSockets as Kurento 7.3 (websocketpp) serves them.
//
// No library: those that exist are stricter or more polite. This one looks at the path after the
// handshake, answers errors without a length, takes versions 7 and 8, and closes the connection
// at once behind its close frame.
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';

const PATH = '/kurento';
const LONGEST_HEAD = 16_000;
const LONGEST_MESSAGE = 32_000_000;
const HANDSHAKE_MILLIS = 5_000;
const VERSIONS = ['7', '8', '13'];
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const [TEXT, BINARY, CLOSE, PING] = [1, 2, 8, 9];

const STATUS = {
  400: 'Bad Request',
  426: 'Upgrade Required',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
};

function frame(opcode, payload) {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | opcode;
  if (length < 126) {
    head[1] = length;
  } else if (length < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}

// One connection. `open`, `message` and `closed` of `handlers` are called with it.
class Socket {
  #connection;
  #handlers;
  #bytes = Buffer.alloc(0);
  #chunks = [];
  #missing = 0;
  #parts = [];
  #isOpen = false;
  #isOver = false;

  constructor(connection, handlers) {
    this.#connection = connection;
    this.#handlers = handlers;
    const late = setTimeout(() => connection.destroy(), HANDSHAKE_MILLIS);
    connection.setNoDelay(true);
    connection.on('data', (bytes) => {
      // What comes after the end is not read.
      if (this.#isOver) return;
      this.#chunks.push(bytes);
      this.#missing -= bytes.length;
      // A long frame comes in many pieces, which are put together once.
      if (this.#missing > 0) return;
      this.#bytes = Buffer.concat([this.#bytes, ...this.#chunks]);
      this.#chunks = [];
      if (!this.#isOpen && this.#shakeHands()) clearTimeout(late);
      while (this.#isOpen && this.#readFrame());
    });
    connection.on('error', () => {});
    connection.on('close', () => {
      clearTimeout(late);
      this.#isOpen = false;
      handlers.closed(this);
    });
  }

  send(text) {
    if (this.#isOpen) this.#connection.write(frame(TEXT, Buffer.from(text)));
  }

  // EOF follows the close frame at once.
  close(code, reason) {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.#end(frame(CLOSE, Buffer.concat([payload, Buffer.from(reason)])));
  }

  // EOF without a close frame.
  drop() {
    this.#end();
    this.#connection.destroySoon();
  }

  #end(last) {
    this.#isOpen = false;
    this.#isOver = true;
    this.#connection.end(last);
  }

  #fail(status) {
    this.#end(`HTTP/1.1 ${status} ${STATUS[status]}\r\nServer: WebSocket++/0.8.2\r\n\r\n`);
    return true;
  }

  // Whether the head of the request has come.
  #shakeHands() {
    const end = this.#bytes.indexOf('\r\n\r\n');
    if (end > LONGEST_HEAD || (end < 0 && this.#bytes.length > LONGEST_HEAD)) return this.#fail(431);
    if (end < 0) return false;
    const [line, ...fields] = this.#bytes.subarray(0, end).toString('latin1').split('\r\n');
    this.#bytes = this.#bytes.subarray(end + 4);
    const [method, target, version] = line.split(' ');
    if (method !== 'GET' || version !== 'HTTP/1.1') return this.#fail(400);
    const headers = new Map(fields.map((field) => {
      const at = field.indexOf(':');
      return [field.slice(0, at).toLowerCase(), field.slice(at + 1).trim()];
    }));
    if (!/websocket/i.test(headers.get('upgrade') ?? '')) return this.#fail(426);
    if (!headers.has('sec-websocket-version')) return this.#fail(500);
    if (!VERSIONS.includes(headers.get('sec-websocket-version'))) return this.#fail(400);
    const key = headers.get('sec-websocket-key');
    if (!key) return this.#fail(400);
    const accept = createHash('sha1').update(key + GUID).digest('base64');
    this.#connection.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n'
      + `Sec-WebSocket-Accept: ${accept}\r\nServer: WebSocket++/0.8.2\r\nUpgrade: websocket\r\n\r\n`);
    // What comes with the head or later is not executed if this closes the connection.
    if (target.split('?')[0] !== PATH) {
      this.close(1002, 'Invalid path');
    } else {
      this.#isOpen = true;
      this.#handlers.open(this, headers);
    }
    return true;
  }

  // Whether there was a whole frame.
  #readFrame() {
    const bytes = this.#bytes;
    if (bytes.length < 2) return false;
    const short = bytes[1] & 0x7f;
    const start = { 126: 4, 127: 10 }[short] ?? 2;
    if (bytes.length < start + 4) return false;
    const length = { 126: () => bytes.readUInt16BE(2), 127: () => Number(bytes.readBigUInt64BE(2)) }[short]?.() ?? short;
    const before = this.#parts.reduce((sum, part) => sum + part.length, 0);
    if (!(bytes[1] & 0x80)) return this.close(1002, 'Bad masked frame');
    if (before + length > LONGEST_MESSAGE) return this.close(1009, 'A message was too large');
    this.#missing = start + 4 + length - bytes.length;
    if (this.#missing > 0) return false;
    const mask = bytes.subarray(start, start + 4);
    const payload = Buffer.from(bytes.subarray(start + 4, start + 4 + length));
    for (let at = 0; at < length; at += 1) payload[at] ^= mask[at % 4];
    this.#bytes = bytes.subarray(start + 4 + length);
    this.#take(bytes[0] & 0x0f, Boolean(bytes[0] & 0x80), payload);
    return true;
  }

  #take(opcode, isLast, payload) {
    if (opcode === CLOSE) {
      this.#end(frame(CLOSE, payload));
    } else if (opcode === PING) {
      this.#connection.write(frame(10, payload));
    } else if (opcode <= BINARY) {
      this.#parts.push(payload);
      if (!isLast) return;
      const message = Buffer.concat(this.#parts);
      this.#parts = [];
      // Binary messages are processed like text.
      let text;
      try {
        text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(message);
      } catch {
        this.close(1007, 'Invalid UTF-8');
        return;
      }
      this.#handlers.message(this, text);
    }
  }
}

export function serve(port, handlers) {
  return createServer((connection) => new Socket(connection, handlers)).listen(port, '127.0.0.1');
}
