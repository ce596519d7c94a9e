//! How long connections are kept, by a clock that the test moves.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::proxy::request_body::RequestBody;
use crate::resolve::Resolver;
use crate::route::upstream::{Balance, InfoPolicy, KEEP_ALIVE, Protocol, UpstreamTls, XmppDomain};
use crate::slot::CountedClient;
use crate::tick::TICK;

/// A server that gives each request this answer, and how often it was connected to.
fn server(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (addr, accepted) = (
        listener.local_addr().unwrap(),
        Arc::new(AtomicUsize::new(0)),
    );
    let count = Arc::clone(&accepted);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                while stream.read(&mut head).is_ok_and(|read| read > 0) {
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    (addr, accepted)
}

fn spec(server: &str, keep_alive: Duration) -> UpstreamSpec {
    UpstreamSpec {
        name: "app".into(),
        servers: [server.parse().unwrap()].into(),
        backups: 0,
        bridges: [].into(),
        balance: Balance::RoundRobin,
        protocol: Protocol::Http,
        tls: UpstreamTls::default(),
        keep_alive,
        max_connections: MaxConnections::Unlimited,
        health: None,
        queue: Duration::ZERO,
        forward_cookies: true,
        secret_file: None,
        token_auth_secret_file: None,
        identify: false,
        info: InfoPolicy::Full,
        domain: XmppDomain::default(),
    }
}

fn pool(spec: &UpstreamSpec, sockets: &Arc<Sockets>) -> Rc<Pool> {
    let connector = Connector::new(
        spec.servers[0].clone(),
        &spec.tls,
        None,
        &Resolver::system(),
    );
    Pool::new(connector, spec, &Ticks::new(), sockets)
}

async fn get(pool: &Pool) {
    let mut request = hyper::Request::new(RequestBody::empty());
    *request.uri_mut() = "/".parse().unwrap();
    request
        .headers_mut()
        .insert("host", "localhost".parse().unwrap());
    // Longer than any test moves its clock.
    let mut outgoing = Outgoing::new(request, false, Duration::from_secs(3600), Protocol::Http);
    let client = CountedClient::exempt()
        .enter(pool.room().0, pool.room().1, false)
        .unwrap();
    let (answer, conn) = pool
        .send(
            &mut outgoing,
            client,
            &RetryBudget::new(&Arc::default()),
            &mut None,
        )
        .await
        .unwrap();
    assert_eq!(answer.status(), 204);
    pool.give_back(conn);
}

fn wait(pool: &Pool, time: Duration) {
    (0..time.as_millis() / TICK.as_millis()).for_each(|_| pool.ticks().advance());
}

const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\n\r\n";
const FIVE_SECONDS: &str = "HTTP/1.1 204 No Content\r\nKeep-Alive: timeout=5\r\n\r\n";

/// How often a server was connected to by a request every so many seconds.
async fn connections(
    answer: &'static str,
    keep_alive: Duration,
    every: u64,
    requests: usize,
) -> usize {
    let (addr, accepted) = server(answer);
    let pool = pool(
        &spec(&format!("http://{addr}"), keep_alive),
        &Sockets::new(9),
    );
    for _ in 0..requests {
        get(&pool).await;
        wait(&pool, Duration::from_secs(every));
    }
    accepted.load(Ordering::SeqCst)
}

#[tokio::test]
async fn a_kept_connection_has_a_greatest_age_under_steady_traffic() {
    assert_eq!(connections(NO_CONTENT, KEEP_ALIVE, 10, 6).await, 1);
    assert_eq!(connections(NO_CONTENT, KEEP_ALIVE, 10, 13).await, 3);
}

#[tokio::test]
async fn keep_alive_is_the_shorter_of_ours_and_the_servers() {
    assert_eq!(
        connections(NO_CONTENT, Duration::from_secs(5), 4, 3).await,
        1
    );
    assert_eq!(
        connections(NO_CONTENT, Duration::from_secs(5), 5, 3).await,
        3
    );
    assert_eq!(connections(NO_CONTENT, Duration::ZERO, 0, 3).await, 3);
    assert_eq!(connections(FIVE_SECONDS, KEEP_ALIVE, 3, 3).await, 1);
    assert_eq!(
        connections(FIVE_SECONDS, KEEP_ALIVE, 4, 3).await,
        3,
        "a second before the server closes it"
    );
}

#[tokio::test]
async fn a_reload_drops_connections_to_names_and_keeps_those_to_addresses() {
    let (addr, accepted) = server(NO_CONTENT);
    for (url, after) in [
        (format!("http://{addr}"), 1),
        (format!("http://localhost:{}", addr.port()), 3),
    ] {
        let spec = spec(&url, KEEP_ALIVE);
        let pool = pool(&spec, &Sockets::new(9));
        get(&pool).await;
        pool.follow(&spec);
        get(&pool).await;
        assert_eq!(accepted.load(Ordering::SeqCst), after, "{url}");
    }
}

#[tokio::test]
async fn what_is_busy_while_a_name_is_dropped_is_not_kept_afterwards() {
    let (addr, accepted) = server(NO_CONTENT);
    let spec = spec(&format!("http://localhost:{}", addr.port()), KEEP_ALIVE);
    let pool = pool(&spec, &Sockets::new(9));
    let conn = Box::new(pool.open(false, &mut None).await.unwrap());
    pool.follow(&spec);
    pool.give_back(conn);
    get(&pool).await;
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn idle_connections_of_other_workers_give_way() {
    let (addr, _) = server(NO_CONTENT);
    let sockets = Sockets::new(9);
    let spec = UpstreamSpec {
        max_connections: MaxConnections::All(1),
        ..spec(&format!("http://{addr}"), KEEP_ALIVE)
    };
    let (one, other) = (pool(&spec, &sockets), pool(&spec, &sockets));
    get(&one).await;
    // The idle one is the server's only connection.
    let ticks = async {
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            one.ticks().advance();
            one.sweep();
            other.ticks().advance();
        }
    };
    tokio::select! {
        () = get(&other) => {}
        () = ticks => {}
    }
    // A WebSocket's connection is its own, and the idle one of the same worker gives way at once.
    let own = other.open(true, &mut None).await.unwrap();
    let error = one.open(false, &mut None).await.unwrap_err();
    assert!(matches!(error, SendError::ServerFull), "{error}");
    drop(own);
    assert!(one.open(false, &mut None).await.is_ok());
}
