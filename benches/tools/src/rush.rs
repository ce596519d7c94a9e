//! Clients that all connect at once: a handshake and a GET each, and the connection stays open.
use crate::load::{answer, bad, first_error, request, Target, ERRORS};
use crate::Args;
use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;
use tokio::io::AsyncWriteExt;

pub async fn rush(a: &Args) -> i32 {
    let t = Target::new(a, false);
    let req = request(a, &t, false);
    let conns = a.num("conns", 5000.0) as usize;
    let begun = Instant::now();
    let tasks: Vec<_> = (0..conns)
        .map(|i| {
            let (t, req) = (t.clone(), req.clone());
            tokio::spawn(async move {
                let mut b = vec![0; 2048];
                let served = async {
                    let mut s = t.open(i).await?;
                    s.write_all(&req).await?;
                    answer(&mut s, &mut b, 200).await?;
                    Ok::<_, io::Error>((s, begun.elapsed().as_micros() as u64))
                };
                match served.await {
                    Ok(served) => Some(served),
                    Err(e) => {
                        bad(e);
                        None
                    }
                }
            })
        })
        .collect();
    let mut served = Vec::with_capacity(conns);
    for task in tasks {
        served.extend(task.await.unwrap());
    }
    let all = begun.elapsed().as_secs_f64();
    let mut times: Vec<u64> = served.iter().map(|(_, time)| *time).collect();
    times.sort_unstable();
    let half = times.get(times.len() / 2).copied().unwrap_or_default();
    println!(
        "{{\"served\":{},\"errors\":{},\"first_error\":\"{}\",\"half_ms\":{:.1},\"all_ms\":{:.1}}}",
        served.len(),
        ERRORS.load(Relaxed),
        first_error(),
        half as f64 / 1e3,
        all * 1e3
    );
    0
}
