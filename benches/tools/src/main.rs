//! `bt`: fast upstream and bounded load generators for gateway benchmarks.
//! Everything talks to 127.0.0.0/8 only and ends by itself.
mod h2;
mod janus;
mod kurento;
mod load;
mod rush;
mod upstream;

use std::collections::HashMap;

pub struct Args {
    pub map: HashMap<String, String>,
}
impl Args {
    pub fn get(&self, k: &str, d: &str) -> String {
        self.map.get(k).cloned().unwrap_or_else(|| d.to_string())
    }
    pub fn num(&self, k: &str, d: f64) -> f64 {
        self.map
            .get(k)
            .map(|v| v.parse().unwrap_or_else(|_| panic!("--{k}: not a number: {v}")))
            .unwrap_or(d)
    }
    pub fn flag(&self, k: &str) -> bool {
        self.map.contains_key(k)
    }
}

fn main() {
    let mut it = std::env::args().skip(1);
    let cmd = it.next().unwrap_or_default();
    let mut map = HashMap::new();
    let mut key: Option<String> = None;
    for a in it {
        if let Some(k) = a.strip_prefix("--") {
            if let Some(p) = key.take() {
                map.insert(p, String::new());
            }
            key = Some(k.to_string());
        } else if let Some(k) = key.take() {
            map.insert(k, a);
        } else {
            eprintln!("stray argument {a}");
            std::process::exit(2);
        }
    }
    if let Some(p) = key {
        map.insert(p, String::new());
    }
    let args = Args { map };
    // one thread: the machine's other core(s) belong to the gateway
    let rt = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(31)
        .build()
        .unwrap();
    let rc = rt.block_on(async move {
        match cmd.as_str() {
            "upstream" => upstream::run(&args).await,
            "hs" => load::hs(&args).await,
            "http" => load::http(&args).await,
            "ws" => load::ws(&args).await,
            "hold" => load::hold(&args).await,
            "rush" => rush::rush(&args).await,
            _ => {
                eprintln!(
                    "usage: bt upstream|hs|http|ws|hold|rush --key value ... (see ../harness)"
                );
                2
            }
        }
    });
    std::process::exit(rc);
}
