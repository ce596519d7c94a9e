//! Tests of listening sockets.

use super::*;

fn local() -> ListenAddr {
    "127.0.0.1:0".parse().unwrap()
}

#[test]
fn each_worker_gets_a_socket_on_one_port() {
    let listener = Listener::bind(Kind::Https, local(), 3, &[], false).unwrap();
    assert_eq!(listener.sockets.len(), 3);
    assert!(
        listener
            .sockets
            .iter()
            .all(|s| s.local_addr().unwrap() == listener.bound)
    );
}

#[test]
fn a_second_gateway_is_an_error_with_a_cause() {
    let first = Listener::bind(Kind::Https, local(), 2, &[], false).unwrap();
    let error = Listener::bind(Kind::Https, ListenAddr(first.bound), 2, &[], false)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&first.bound.to_string()) && error.contains("another process"),
        "{error}"
    );
}

#[test]
fn a_foreign_address_is_an_error_with_a_cause() {
    let error = Listener::bind(Kind::Http, "192.0.2.1:0".parse().unwrap(), 1, &[], false)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no interface of this machine") && error.contains("listen.freebind"),
        "{error}"
    );
    for addr in ["192.0.2.1:0", "[2001:db8::1]:0"] {
        let bound = Listener::bind(Kind::Http, addr.parse().unwrap(), 2, &[], true);
        assert_eq!(bound.unwrap().sockets.len(), 2, "{addr}");
    }
}

#[test]
fn accepted_sockets_have_the_options_of_their_listener() {
    let listener = Listener::bind(Kind::Https, local(), 2, &[], false).unwrap();
    for socket in &listener.sockets {
        socket.set_nonblocking(false).unwrap();
    }
    // Which of the sockets accepts it is the kernel's choice, so one is left.
    let socket = listener.sockets.into_iter().next_back().unwrap();
    let _client = std::net::TcpStream::connect(listener.bound).unwrap();
    let (accepted, _) = socket.accept().unwrap();
    let accepted = socket2::SockRef::from(&accepted);
    assert!(accepted.tcp_nodelay().unwrap());
    assert!(accepted.keepalive().unwrap());
    assert_eq!(
        accepted.tcp_keepalive_time().unwrap(),
        Duration::from_secs(30)
    );
    assert_eq!(
        accepted.tcp_keepalive_interval().unwrap(),
        Duration::from_secs(5)
    );
    let unacknowledged = Some(Duration::from_secs(60));
    assert_eq!(accepted.tcp_user_timeout().unwrap(), unacknowledged);
}

#[tokio::test]
async fn what_is_queued_is_accepted_before_closing() {
    let listener = Listener::bind(Kind::Http, local(), 1, &[], false).unwrap();
    let clients: Vec<_> = (0..20)
        .map(|_| std::net::TcpStream::connect(listener.bound).unwrap())
        .collect();
    let socket = TcpListener::from_std(listener.sockets.into_iter().next().unwrap()).unwrap();
    let socket = Arc::new(socket);
    let accepted = std::cell::Cell::new(0);
    accept(
        socket,
        async || {},
        |_, _| accepted.set(accepted.get() + 1),
        std::future::ready(()),
    )
    .await;
    assert_eq!(accepted.get(), clients.len());
}

#[test]
fn a_socket_of_all_addresses_that_accepts_no_ipv4_is_recognized() {
    let listening = |address: &str, only_v6| {
        let socket = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
        socket.set_only_v6(only_v6).unwrap();
        let address: SocketAddr = address.parse().unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(1).unwrap();
        StdListener::from(socket)
    };
    assert!(is_ipv6_only(&listening("[::]:0", true)));
    assert!(!is_ipv6_only(&listening("[::]:0", false)));
    assert!(!is_ipv6_only(&listening("[::1]:0", true)));
    let ipv4 = StdListener::bind("0.0.0.0:0").unwrap();
    assert!(!is_ipv6_only(&ipv4));
}
