//! What KMS does with what goes on is what was authorised, whatever the client sends.

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

    fn one_of<'t>(&mut self, of: &'t [String]) -> &'t str {
        of[self.below(of.len())].as_str()
    }
}

/// What is put into messages, with the names of [`table::filled`].
const PIECES: &[&str] = &[
    "\"method\":\"release\",",
    "\"m\\u0065thod\":\"release\",",
    "\"object\":\"$F\",",
    "\"object\":\"$G\",",
    "\"object\":\"newref:0\",",
    "\"object\":\"newref: 1\",",
    "\"sessionId\":\"$T\",",
    "\"sessionId\":\"$S\",",
    "\"sessionId\":null,",
    "\"type\":\"GStreamerFilter\",",
    "\"type\":\"newref:1\",",
    "\"uri\":\"file:///etc/x\",",
    "\"uri\":\"newref:1\",",
    "\"ur\\u0069\":\"$U\",",
    "\"turnUrl\":\"$U\",",
    "\"operation\":\"getPipelines\",",
    "\"operation\":\"getTag\",",
    "\"operation\":\"getName\",",
    "\"id\":null,",
    "\"jsonrpc\":\"2.0\",",
    "\"params\":[],",
    "\"params\":{},",
    "$F",
    "newref:0",
    "newref:1",
    "0",
    "1",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    " ",
    "../",
    "%2e",
    "@",
    "\\u0000",
    "null",
    "{}",
    "\0",
    "\u{feff}",
    "/**/",
];

/// Transactions in which operations refer to each other.
const TRANSACTIONS: &[&str] = &[
    r#"[{"jsonrpc":"2.0","id":0,"method":"create","params":{"type":"MediaPipeline"}},
       {"jsonrpc":"2.0","id":1,"method":"invoke","params":{"object":"newref:0",
       "operation":"getTag","operationParams":{"key":"a"}}},
       {"jsonrpc":"2.0","id":2,"method":"create","params":{"type":"PlayerEndpoint",
       "constructorParams":{"mediaPipeline":"newref:0","uri":"$U"}}}]"#,
    r#"[{"jsonrpc":"2.0","id":0,"method":"invoke","params":{"object":"$P",
       "operation":"getName"}},
       {"jsonrpc":"2.0","id":1,"method":"create","params":{"type":"MediaPipeline"}},
       {"jsonrpc":"2.0","id":2,"method":"transaction","params":{"operations":[
       {"jsonrpc":"2.0","id":0,"method":"release","params":{"object":"newref:1"}}]}}]"#,
];

#[test]
fn what_kms_does_with_what_goes_on_is_what_was_authorised() {
    let seeds = seeds();
    let pieces: Vec<String> = PIECES.iter().map(|piece| table::filled(piece)).collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut forwarded = 0;
    for _ in 0..20_000 {
        let message = mutated(&mut random, &seeds, &pieces);
        let mut connection = Connection::with_objects(Some(app_rules()));
        for verdict in connection.sends(&message) {
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
    let rows = table::rows().filter(|row| row.policy == "app");
    let mut seeds: Vec<String> = rows.map(|row| row.message()).collect();
    let transactions = TRANSACTIONS.iter().map(|operations| {
        let params = format!(r#"{{"operations":{}}}"#, table::filled(operations));
        request("transaction", &params)
    });
    // As often as all others together, for what they have more in them.
    let transactions: Vec<String> = transactions.collect();
    let times = seeds.len() / transactions.len();
    seeds.extend(std::iter::repeat_n(transactions, times).flatten());
    seeds
}

fn mutated(random: &mut Random, seeds: &[String], pieces: &[String]) -> String {
    let mut message = random.one_of(seeds).to_owned();
    for _ in 0..random.below(4) {
        let at = random.below(message.len() + 1);
        let at = (0..=at)
            .rev()
            .find(|at| message.is_char_boundary(*at))
            .unwrap_or(0);
        match random.below(6) {
            0 => message.insert_str(at, random.one_of(pieces)),
            1 => message.push_str(random.one_of(seeds)),
            2 | 3 => {
                // A member more, after some brace.
                let braces: Vec<usize> = message.match_indices('{').map(|(at, _)| at + 1).collect();
                let brace = braces.get(random.below(braces.len())).copied().unwrap_or(0);
                message.insert_str(brace, random.one_of(pieces));
            }
            4 => {
                // Another value for some string.
                let quotes: Vec<usize> = message.match_indices('"').map(|(at, _)| at).collect();
                let first = random.below(quotes.len().saturating_sub(1));
                if let [from, to, ..] = quotes[first.min(quotes.len())..] {
                    message.replace_range(from + 1..to, random.one_of(pieces));
                }
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
