//! Hard to kill: stops, kills, restarts and reloads under load, and what is lost by them. The test plays the service manager:
//! it holds the listening socket, hands it on as descriptor 3, and hears the program's datagrams.

mod load;
mod notify;
mod passed;
mod reload;
mod restart;
mod stop;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use crate::harness::{Proxy, furnished, program};

/// Makes the standard input of what it runs descriptor 3, as a service manager does with the socket of a socket unit.
const HAND_OVER: &str =
    "exec 3<&0 0</dev/null; export LISTEN_FDS=1 LISTEN_PID=${PID:-$$}; exec \"$0\" \"$@\"";

/// A listening socket, which outlives every program that it is passed to.
pub(crate) struct Socket(TcpListener);

impl Socket {
    pub(crate) fn open() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The program with this socket, listening. The address of its command line is none of this machine.
    pub(crate) fn start(&self, config: &str) -> Proxy {
        let dir = furnished(config);
        let mut command = pass(
            &program(dir.path()),
            OwnedFd::from(self.0.try_clone().unwrap()),
        );
        command.args(["-port", "0", "-host", "192.0.2.1"]);
        let proxy = Proxy::spawn(dir, command);
        assert_eq!(proxy.address, self.address());
        proxy
    }
}

/// The same program, which will be passed `socket`.
pub(crate) fn pass(program: &Command, socket: impl Into<Stdio>) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", HAND_OVER])
        .arg(program.get_program())
        .current_dir(program.get_current_dir().unwrap())
        .stdin(socket)
        .stdout(Stdio::null());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}
