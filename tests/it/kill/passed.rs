//! The listening socket of a service manager.

use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use super::{Socket, pass};
use crate::harness::{Proxy, config, eventually, furnished, program, simulator};
use crate::life::request;

#[test]
fn a_passed_socket_is_served_and_left_to_the_manager() {
    let (simulator, socket) = (simulator(), Socket::open());
    let mut proxy = socket.start(&config(&simulator.endpoint(), ""));
    let log = proxy.log();
    let lines: Vec<_> = log.iter().filter_map(|line| line.get(20..)).collect();
    let [.., passed, port] = &lines[..=lines
        .iter()
        .position(|line| line.starts_with("Starting server"))
        .unwrap()]
    else {
        panic!("{log:#?}");
    };
    let address = socket.address();
    assert!(passed.starts_with(&format!("Listening on {address}, a socket")));
    assert_eq!(*port, format!("Starting server on port {}", address.port()));
    assert_eq!(proxy.chat(&request(true)).status, 200);
    proxy.signal("TERM");
    assert_eq!(proxy.wait_for_exit().code(), Some(0));
    // It still listens, and who comes now is for the next program.
    let client = TcpStream::connect(address).unwrap();
    assert_eq!(socket.0.accept().unwrap().1, client.local_addr().unwrap());
}

#[test]
fn a_socket_for_somebody_else_is_not_touched() {
    let simulator = simulator();
    let dir = furnished(&config(&simulator.endpoint(), ""));
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut command = pass(&program(dir.path()), OwnedFd::from(socket));
    command.env("PID", "1");
    command.args(["-port", "0", "-host", "127.0.0.1"]);
    let proxy = Proxy::spawn(dir, command);
    assert_eq!(proxy.chat(&request(false)).status, 200);
    assert!(!proxy.log().join("\n").contains("was passed"));
}

#[test]
fn what_is_no_listening_tcp_socket_stops_the_start() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for socket in [OwnedFd::from(connected), OwnedFd::from(datagrams)] {
        let dir = furnished(&config("http://127.0.0.1:9", ""));
        let mut command = pass(&program(dir.path()), socket);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut status = None;
        eventually("the program to end by itself", || {
            status = child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(1));
        let said = std::io::read_to_string(child.stderr.unwrap()).unwrap();
        assert!(
            said.contains("LISTEN_FDS") && said.contains("Accept=no"),
            "{said}"
        );
    }
}
