//! What Janus reads of what goes on is what was authorised, whatever the client sends.

use super::*;

/// The same numbers in every run (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    fn one_of<'t, T: ?Sized>(&mut self, of: &[&'t T]) -> &'t T {
        of[self.below(of.len())]
    }
}

const PIECES: &[&str] = &[
    "\"janus\":\"message\",",
    "\"janus\":\"list_sessions\",",
    "\"j\\u0061nus\":\"destroy\",",
    "\"session_id\":2,",
    "\"session_id\":1.0,",
    "\"handle_id\":21,",
    "\"handle_id\":17,",
    "\"room\":4321,",
    "\"r\\u006fom\":4321,",
    "\"room\":\"1234\",",
    "\"request\":\"kick\",",
    "\"request\":\"JOIN\",",
    "\"record\":true,",
    "\"filename\":\"x\",",
    "\"textroom\":\"kick\",",
    "\"apisecret\":\"x\",",
    "\"token\":\"x\",",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    " ",
    "\\u0000",
    "null",
    "1e3",
    "{}",
    "\0",
    "\u{feff}",
    "/**/",
];

#[test]
fn what_janus_reads_of_what_goes_on_is_what_was_authorised() {
    let client = Client::caller("alice");
    let seeds: Vec<String> = seeds();
    let seeds: Vec<&str> = seeds.iter().map(|seed| &**seed).collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut forwarded = 0;
    for _ in 0..20_000 {
        let message = mutated(&mut random, &seeds);
        let mut api = api(two_sessions(&client), credentials(Some(oracle::SECRET)));
        for verdict in client.sends(&mut api, &message) {
            if let Verdict::Forward(text) = verdict {
                forwarded += 1;
                oracle::check(&text).unwrap_or_else(|wrong| panic!("{message}\n{text}\n{wrong}"));
            }
        }
    }
    assert!(
        forwarded > 1000,
        "only {forwarded} were forwarded: nothing is tested"
    );
}

fn seeds() -> Vec<String> {
    let mut seeds = Vec::new();
    for row in include_str!("table.txt")
        .lines()
        .filter(|row| row.starts_with("caller"))
    {
        let (row, _) = row.rsplit_once(" => ").unwrap();
        let mut words = row.splitn(3, ' ').skip(1);
        let (handle, body) = (words.next().unwrap(), words.next().unwrap());
        let is_it = |(_, name): &&(i64, &str)| name.ends_with(&format!(".{handle}"));
        seeds.push(match oracle::HANDLES.iter().find(is_it) {
            Some((id, _)) => format!(
                r#"{{"janus":"message","transaction":"t","session_id":1,"handle_id":{id},
                "body":{body}}}"#
            ),
            None => body.replacen('{', r#"{"transaction":"t","#, 1),
        });
    }
    seeds
}

fn mutated(random: &mut Random, seeds: &[&str]) -> String {
    let mut message = random.one_of(seeds).to_owned();
    for _ in 0..random.below(4) {
        let at = random.below(message.len() + 1);
        let at = (0..=at)
            .rev()
            .find(|at| message.is_char_boundary(*at))
            .unwrap_or(0);
        match random.below(5) {
            0 => message.insert_str(at, random.one_of(PIECES)),
            1 => message.push_str(random.one_of(seeds)),
            2 => {
                // A member more, after some brace.
                let braces: Vec<usize> = message.match_indices('{').map(|(at, _)| at + 1).collect();
                let brace = braces.get(random.below(braces.len())).copied().unwrap_or(0);
                message.insert_str(brace, random.one_of(PIECES));
            }
            3 => {
                let other = random.one_of(seeds);
                let from = random.below(other.len() + 1);
                let from = (0..=from)
                    .rev()
                    .find(|at| other.is_char_boundary(*at))
                    .unwrap_or(0);
                message.truncate(at);
                message.push_str(&other[from..]);
            }
            _ => {
                if let Some(c) = message[at..]
                    .chars()
                    .next()
                    .filter(char::is_ascii_alphabetic)
                {
                    let escaped = format!("\\u{:04x}", u32::from(c));
                    message.replace_range(at..at + 1, &escaped);
                }
            }
        }
    }
    message
}
