//! What a service manager hears.

use std::fs;
use std::os::unix::net::UnixDatagram;

use crate::harness::{DEADLINE, KEY, Proxy, TempDir, config, furnished, program, simulator};
use crate::life::request;

struct Manager(UnixDatagram);

impl Manager {
    /// The next datagram's variables.
    fn heard(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn hears(&self, first: &str, second: &str) {
        let heard = self.heard();
        let [one, two] = &heard[..] else {
            panic!("{heard:?}");
        };
        assert!(one == first && two.starts_with(second), "{heard:?}");
    }
}

/// A program whose life a manager follows through `socket`, whose name is `name`.
fn life(socket: UnixDatagram, name: &str) {
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let manager = Manager(socket);
    let simulator = simulator();
    let text = config(&simulator.endpoint(), "");
    let dir = furnished(&text);
    let file = dir.path().join("config.conf");
    let mut command = program(dir.path());
    command.env("NOTIFY_SOCKET", name);
    command.args(["-port", "0", "-host", "127.0.0.1"]);
    let mut proxy = Proxy::spawn(dir, command);
    let serving = format!("STATUS=Serving on port {}", proxy.address.port());
    manager.hears("READY=1", &serving);
    assert_eq!(proxy.chat(&request(true)).status, 200);

    fs::write(&file, text.replace(KEY, "second-key")).unwrap();
    proxy.signal("HUP");
    manager.hears("RELOADING=1", "MONOTONIC_USEC=");
    manager.hears("READY=1", &serving);
    // The new file is in force by then.
    assert_eq!(proxy.chat(&request(true)).status, 401);

    fs::write(&file, "nothing").unwrap();
    proxy.signal("HUP");
    let reloading = manager.heard();
    let clock = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(clock.parse::<u64>().unwrap() > 0);
    manager.hears("READY=1", &format!("{serving}; the last reload failed"));

    proxy.signal("TERM");
    manager.hears("STOPPING=1", "STATUS=");
    assert_eq!(proxy.wait_for_exit().code(), Some(0));
    manager.0.set_nonblocking(true).unwrap();
    assert!(
        manager.0.recv(&mut [0]).is_err(),
        "one datagram for each state"
    );
}

#[test]
fn a_manager_hears_of_start_reload_and_stop() {
    let dir = TempDir::new();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    life(socket, path.to_str().unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn a_manager_with_an_abstract_address_hears_the_same() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let name = format!("ociai-test-notify-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    life(socket, &format!("@{name}"));
}

#[test]
fn a_manager_that_cannot_be_told_harms_nobody() {
    for nowhere in ["/nowhere/at/all", "vsock:2:1234"] {
        let simulator = simulator();
        let dir = furnished(&config(&simulator.endpoint(), ""));
        let mut command = program(dir.path());
        command.env("NOTIFY_SOCKET", nowhere);
        command.args(["-port", "0", "-host", "127.0.0.1"]);
        let mut proxy = Proxy::spawn(dir, command);
        let line = proxy.wait_for_log("NOTIFY_SOCKET");
        assert!(line.contains("warning: "), "{line}");
        assert_eq!(proxy.chat(&request(false)).status, 200);
        proxy.signal("TERM");
        assert_eq!(proxy.wait_for_exit().code(), Some(0));
    }
}
