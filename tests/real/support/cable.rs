//! A cable between the gateway and a server, which a test can cut.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Forwards what is sent to its port. Its threads end with the test.
#[derive(Debug)]
pub(crate) struct Cable {
    pub(crate) port: u16,
    /// A connection to this port ends all that are forwarded.
    pub(crate) cut: u16,
}

type Streams = Arc<Mutex<Vec<TcpStream>>>;

impl Cable {
    /// To a server at this address.
    pub(crate) fn to(server: SocketAddr) -> Self {
        let streams = Streams::default();
        let of_cut = Arc::clone(&streams);
        let port = listen(move |client| {
            let Ok(upstream) = TcpStream::connect(server) else {
                return;
            };
            let both = [&client, &upstream].map(|stream| stream.try_clone().unwrap());
            streams.lock().unwrap().extend(both);
            forward(&client, &upstream);
            forward(&upstream, &client);
        });
        let cut = listen(move |_| {
            for stream in of_cut.lock().unwrap().drain(..) {
                // It may have ended by itself.
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
        Self { port, cut }
    }
}

/// Listens on a free port of loopback.
fn listen(mut accepted: impl FnMut(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().flatten().for_each(&mut accepted));
    port
}

fn forward(from: &TcpStream, to: &TcpStream) {
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            if to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
