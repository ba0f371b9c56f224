//! What a service manager hands over and wants to hear: the listening socket of a socket unit (sd_listen_fds(3)) and where the
//! process is in its life (sd_notify(3)). Without a manager it is silent. Knows nothing of what is served.
//!
//! The watchdog is left out on purpose: whoever is flooded answers late, and must not be killed for it.

use std::net::TcpListener;

/// Where the process is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// It serves; and a line for who asks the manager how it is.
    Ready(String),
    Reloading,
    Stopping(String),
}

#[cfg(unix)]
pub(crate) use unix::{Manager, passed_socket};

#[cfg(unix)]
mod unix {
    use std::env;
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    use std::time::Duration;

    use listenfd::ListenFd;
    use rustix::net::sockopt::socket_acceptconn;
    use rustix::time::{ClockId, clock_gettime};

    use super::{State, TcpListener};

    /// Where the manager listens: a path, or an abstract address that is written with `@` for its first byte.
    const NOTIFY_VARIABLE: &str = "NOTIFY_SOCKET";
    /// How many sockets were passed. Taken away once read: they are nobody else's.
    const LISTEN_VARIABLE: &str = "LISTEN_FDS";
    /// Sockets that one program is passed; a larger number is a mistake.
    const MAX_PASSED: usize = 1024;
    /// Longest wait for a manager that does not read what it is sent.
    const NOTIFY_TIMEOUT: Duration = Duration::from_secs(1);

    /// The first TCP socket that was passed to listen on. Must be called before any other thread is there, since it takes the
    /// variables out of the environment, and before any file is opened: what is open then was passed.
    ///
    /// # Errors
    /// Sockets were passed, and none is a TCP socket that listens.
    pub(crate) fn passed_socket() -> Result<Option<TcpListener>, String> {
        let count = env::var(LISTEN_VARIABLE).ok();
        let count = count.and_then(|count| count.parse::<usize>().ok());
        if count.is_some_and(|count| count > MAX_PASSED) {
            return Err(format!("{LISTEN_VARIABLE} is larger than {MAX_PASSED}"));
        }
        let mut passed = ListenFd::from_env();
        for index in 0..passed.len() {
            // One of another kind, such as a socket that is connected, stays where it is.
            if let Ok(Some(socket)) = passed.take_tcp_listener(index)
                && socket_acceptconn(&socket).unwrap_or(false)
            {
                return Ok(Some(socket));
            }
        }
        match passed.len() {
            0 => Ok(None),
            some => Err(format!(
                "none of the {some} sockets that were passed ({LISTEN_VARIABLE}) is a TCP socket that listens: use \
                 ListenStream=PORT and Accept=no"
            )),
        }
    }

    /// The manager that started the process, if it wants to hear of it.
    #[derive(Debug, Default)]
    pub(crate) struct Manager {
        socket: Option<(UnixDatagram, SocketAddr)>,
    }

    impl Manager {
        pub(crate) fn from_env() -> Self {
            let Some(name) = env::var_os(NOTIFY_VARIABLE).filter(|name| !name.is_empty()) else {
                return Self::default();
            };
            let socket = address(&name).and_then(|address| Ok((socket()?, address)));
            if let Err(error) = &socket {
                log::warn!("warning: {NOTIFY_VARIABLE} is of no use, nobody is told: {error}");
            }
            Self {
                socket: socket.ok(),
            }
        }

        /// Tells the manager, if there is one. That it cannot be told harms nobody but it.
        pub(crate) fn tell(&self, state: &State) {
            let Some((socket, address)) = &self.socket else {
                return;
            };
            if let Err(error) = socket.send_to_addr(message(state).as_bytes(), address) {
                log::warn!(
                    "warning: the service manager cannot be told ({NOTIFY_VARIABLE}): {error}"
                );
            }
        }
    }

    fn socket() -> io::Result<UnixDatagram> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(NOTIFY_TIMEOUT))?;
        Ok(socket)
    }

    fn address(name: &OsStr) -> io::Result<SocketAddr> {
        let bytes = name.as_encoded_bytes();
        match bytes.strip_prefix(b"@") {
            Some(rest) => abstract_address(rest),
            None if bytes.starts_with(b"/") => SocketAddr::from_pathname(name),
            None => Err(unknown()),
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
        use std::os::linux::net::SocketAddrExt;
        SocketAddr::from_abstract_name(name)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
        Err(unknown())
    }

    fn unknown() -> io::Error {
        io::Error::new(io::ErrorKind::Unsupported, "an unknown kind of address")
    }

    /// One datagram, a line for each variable.
    pub(super) fn message(state: &State) -> String {
        match state {
            State::Ready(status) => format!("READY=1\nSTATUS={status}"),
            // By the time the manager knows an answer to this reload from one to an earlier one.
            State::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_micros()),
            State::Stopping(status) => format!("STOPPING=1\nSTATUS={status}"),
        }
    }

    fn monotonic_micros() -> i64 {
        let now = clock_gettime(ClockId::Monotonic);
        now.tv_sec * 1_000_000 + now.tv_nsec / 1000
    }
}

/// Elsewhere nobody passes sockets or wants to hear anything.
#[cfg(not(unix))]
pub(crate) fn passed_socket() -> Result<Option<TcpListener>, String> {
    Ok(None)
}

#[cfg(not(unix))]
#[derive(Debug, Default)]
pub(crate) struct Manager;

#[cfg(not(unix))]
impl Manager {
    pub(crate) fn from_env() -> Self {
        Self
    }

    pub(crate) fn tell(&self, _: &State) {}
}
