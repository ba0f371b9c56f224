//! The port: the socket that accepts, and how its thread learns that the port closes. Others may accept from the same socket:
//! a service manager keeps it over a restart, and the next program may be there already. So the socket is closed and never shut
//! down, and nobody connects to it to wake the thread: that connection could reach the other program, and a client's end here.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};

/// Connections that may wait to be accepted, if the system allows as many. Of those beyond, the system drops the first packet, and
/// their clients try again after a second at the earliest: a thousand that come at once are accepted within a few milliseconds.
#[cfg(unix)]
const BACKLOG: i32 = 4096;
/// Connections that are still taken out of the queue of a port that closes: more than any queue holds.
const LAST_CONNECTIONS: usize = 65_536;

/// The accepting side; dropping it closes the port for this process.
#[derive(Debug)]
pub(crate) struct Door {
    socket: TcpListener,
    /// Somebody else has it too: what waits in its queue is for them.
    shared: bool,
    #[cfg(unix)]
    bell: std::os::unix::net::UnixStream,
}

/// Wakes the thread that accepts, once and for all.
#[derive(Debug)]
pub(crate) struct Bell {
    #[cfg(unix)]
    end: std::os::unix::net::UnixStream,
    #[cfg(not(unix))]
    address: SocketAddr,
}

/// Binds a port of our own.
pub(crate) fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    TcpListener::bind(addresses.as_slice())
}

impl Door {
    /// Whoever waits in the queue of a port of our own, when it closes. Served now, or never.
    pub(crate) fn last(&self) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
        let most = if self.shared { 0 } else { LAST_CONNECTIONS };
        std::iter::from_fn(|| self.accept_waiting()).take(most)
    }
}

#[cfg(unix)]
impl Door {
    pub(crate) fn new(socket: TcpListener, shared: bool) -> io::Result<(Self, Bell)> {
        // Another process may take a connection between the news of it and `accept`, which must not wait for the next one then.
        socket.set_nonblocking(true)?;
        if !shared {
            // As bound it has room for 128. That this fails is no reason not to serve.
            let _ = rustix::net::listen(&socket, BACKLOG);
        }
        let (bell, end) = std::os::unix::net::UnixStream::pair()?;
        let door = Self {
            socket,
            shared,
            bell,
        };
        Ok((door, Bell { end }))
    }

    /// Waits for the next connection; `None` once the bell has rung and nobody is in the queue.
    ///
    /// # Errors
    /// As of `accept`: descriptors are short, or the client has left again.
    pub(crate) fn accept(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        loop {
            match self.socket.accept() {
                Ok((stream, peer)) => {
                    // Some systems hand the listening socket's mode down.
                    stream.set_nonblocking(false)?;
                    return Ok(Some((stream, peer)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.wait()? {
                        return Ok(None);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits for a connection or the bell. `true`: the bell.
    fn wait(&self) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, poll};
        let mut fds = [
            PollFd::new(&self.socket, PollFlags::IN),
            PollFd::new(&self.bell, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [_, bell] = fds;
        Ok(!bell.revents().is_empty())
    }

    fn accept_waiting(&self) -> Option<(TcpStream, SocketAddr)> {
        let (stream, peer) = self.socket.accept().ok()?;
        stream.set_nonblocking(false).ok()?;
        Some((stream, peer))
    }
}

#[cfg(unix)]
impl Bell {
    pub(crate) fn ring(&self) {
        // The other end sees an end of file, now and later. That it is gone already is as good.
        let _ = self.end.shutdown(std::net::Shutdown::Both);
    }
}

#[cfg(not(unix))]
impl Door {
    pub(crate) fn new(socket: TcpListener, shared: bool) -> io::Result<(Self, Bell)> {
        let address = socket.local_addr()?;
        Ok((Self { socket, shared }, Bell { address }))
    }

    pub(crate) fn accept(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        self.socket.accept().map(Some)
    }

    fn accept_waiting(&self) -> Option<(TcpStream, SocketAddr)> {
        self.socket.set_nonblocking(true).ok()?;
        let (stream, peer) = self.socket.accept().ok()?;
        stream.set_nonblocking(false).ok()?;
        Some((stream, peer))
    }
}

#[cfg(not(unix))]
impl Bell {
    /// Without a way to wait for two things at once, a connection of our own wakes the thread. Sockets are not shared here.
    pub(crate) fn ring(&self) {
        use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
        };
        let timeout = std::time::Duration::from_millis(500);
        // Refused means that it is closed already.
        let _ = TcpStream::connect_timeout(&SocketAddr::new(ip, self.address.port()), timeout);
    }
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::thread;

    use super::*;

    fn pair(shared: bool) -> (TcpListener, Door, Bell) {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let (door, bell) = Door::new(other.try_clone().unwrap(), shared).unwrap();
        (other, door, bell)
    }

    #[test]
    fn the_bell_wakes_the_thread_and_eats_no_connection() {
        let (other, door, bell) = pair(true);
        let address = other.local_addr().unwrap();
        let client = TcpStream::connect(address).unwrap();
        let accepting = thread::spawn(move || {
            let first = door.accept().unwrap().unwrap();
            (first.1, door.accept().unwrap().is_none(), door)
        });
        bell.ring();
        let (peer, ended, door) = accepting.join().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        assert!(ended);
        // What comes afterwards is for the other one who has the socket, also once this door is gone.
        let next = TcpStream::connect(address).unwrap();
        assert_eq!(door.last().count(), 0);
        drop(door);
        other.set_nonblocking(false).unwrap();
        assert_eq!(other.accept().unwrap().1, next.local_addr().unwrap());
    }

    #[test]
    fn who_waits_at_a_port_of_our_own_is_let_in_before_it_closes() {
        let (other, door, bell) = pair(false);
        let address = other.local_addr().unwrap();
        bell.ring();
        let clients = [(); 3].map(|()| TcpStream::connect(address).unwrap());
        let peers: Vec<_> = door.last().map(|(_, peer)| peer).collect();
        let expected = clients.map(|client| client.local_addr().unwrap());
        assert_eq!(peers, expected);
    }
}
