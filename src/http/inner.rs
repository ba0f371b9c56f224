//! tiny_http behind the gate, on a private socket: a Unix-domain one in a directory of mode 0700, or a loopback port
//! where that cannot be had. tiny_http's accept thread can end or panic (file descriptors or threads exhausted) and never
//! says so; then everything here is made anew, and the gate hands over again what nobody took.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tiny_http::{Request, Server};

/// Pause between two tries to make the socket anew.
const REBUILD_PAUSE: Duration = Duration::from_millis(20);
/// Tries to make it anew before the caller goes on with the old one and comes back later.
const REBUILD_TRIES: u32 = 50;

/// tiny_http and the socket it listens on, replaceable as one.
#[derive(Debug)]
pub(crate) struct Inner {
    current: Mutex<Arc<Bound>>,
}

/// One life of tiny_http.
pub(crate) struct Bound {
    pub(crate) server: Server,
    address: Address,
}

#[derive(Debug)]
enum Address {
    #[cfg(unix)]
    Unix(PrivateDir),
    Loopback(SocketAddr),
}

impl Inner {
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            current: Mutex::new(Arc::new(Bound::open()?)),
        })
    }

    pub(crate) fn current(&self) -> Arc<Bound> {
        Arc::clone(&self.current.lock())
    }

    /// Replaces `dead`, unless somebody did already.
    pub(crate) fn rebuild(&self, dead: &Arc<Bound>) {
        for tried in 0..REBUILD_TRIES {
            let mut current = self.current.lock();
            if !Arc::ptr_eq(&current, dead) {
                return;
            }
            match Bound::open() {
                Ok(bound) => {
                    log::warn!(
                        "warning: the inner server stopped taking requests and was started again"
                    );
                    let old = std::mem::replace(&mut *current, Arc::new(bound));
                    drop(current);
                    old.server.unblock();
                    return;
                }
                Err(error) => {
                    drop(current);
                    if tried == 0 {
                        log::warn!(
                            "warning: the inner server cannot be started again yet: {error}"
                        );
                    }
                    thread::sleep(REBUILD_PAUSE);
                }
            }
        }
    }
}

impl Bound {
    /// Removes what it has on disk; nothing can be handed over any more.
    pub(crate) fn remove(&self) {
        match &self.address {
            #[cfg(unix)]
            Address::Unix(dir) => dir.remove(),
            Address::Loopback(_) => {}
        }
    }

    #[cfg(unix)]
    fn open() -> io::Result<Self> {
        let unix = PrivateDir::create().and_then(|dir| {
            let listener = std::os::unix::net::UnixListener::bind(dir.socket())?;
            Ok(Self {
                server: start(listener)?,
                address: Address::Unix(dir),
            })
        });
        // A read-only file system without /tmp, as in a bare container.
        unix.or_else(|_| Self::open_loopback())
    }

    #[cfg(not(unix))]
    fn open() -> io::Result<Self> {
        Self::open_loopback()
    }

    fn open_loopback() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        Ok(Self {
            server: start(listener)?,
            address: Address::Loopback(address),
        })
    }

    /// A fresh connection to tiny_http.
    pub(crate) fn connect(&self) -> io::Result<Stream> {
        match &self.address {
            #[cfg(unix)]
            Address::Unix(dir) => {
                std::os::unix::net::UnixStream::connect(dir.socket()).map(Stream::Unix)
            }
            Address::Loopback(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
        }
    }
}

/// tiny_http panics where no thread can be had for it; here that is an error like others.
fn start(listener: impl Into<tiny_http::Listener>) -> io::Result<Server> {
    catch_unwind(AssertUnwindSafe(|| Server::from_listener(listener, None)))
        .map_err(|_| io::Error::other("no thread can be had for it"))?
        .map_err(io::Error::other)
}

/// Whether an error of [`Bound::connect`] says that nobody listens any more: the listener was dropped, or somebody removed
/// the socket's file.
pub(crate) fn is_dead(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
    )
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The gate's side of an inner connection.
#[derive(Debug)]
pub(crate) enum Stream {
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixStream),
    Tcp(TcpStream),
}

/// On which of two connections something is to be read, or may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) inner: bool,
    pub(crate) client: bool,
}

#[cfg(unix)]
impl Stream {
    /// Waits until there is something to read here or, unless it is `None`, from the client, the end too, but no longer than
    /// this.
    pub(crate) fn wait_with(
        &self,
        client: Option<&TcpStream>,
        patience: Option<Duration>,
    ) -> io::Result<Ready> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let inner = match self {
            Self::Unix(stream) => PollFd::new(stream, PollFlags::IN),
            Self::Tcp(stream) => PollFd::new(stream, PollFlags::IN),
        };
        let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
        let wait = |fds: &mut [PollFd<'_>]| match poll(fds, patience.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(io::Error::from(error)),
        };
        let is_ready = |fd: PollFd<'_>| !fd.revents().is_empty();
        match client {
            Some(client) => {
                let mut both = [inner, PollFd::new(client, PollFlags::IN)];
                wait(&mut both)?;
                let [inner, client] = both.map(is_ready);
                Ok(Ready { inner, client })
            }
            None => {
                let mut one = [inner];
                wait(&mut one)?;
                let [inner] = one.map(is_ready);
                Ok(Ready {
                    inner,
                    client: false,
                })
            }
        }
    }
}

#[cfg(not(unix))]
impl Stream {
    /// Waits until there is something to read here, and no longer than a tick: then the client is looked at.
    pub(crate) fn wait_with(
        &self,
        client: Option<&TcpStream>,
        patience: Option<Duration>,
    ) -> io::Result<Ready> {
        const TICK: Duration = Duration::from_millis(100);
        let Self::Tcp(stream) = self;
        stream.set_read_timeout(Some(patience.map_or(TICK, |patience| patience.min(TICK))))?;
        Ok(Ready {
            inner: true,
            client: client.is_some(),
        })
    }
}

impl io::Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            #[cfg(unix)]
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl io::Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            #[cfg(unix)]
            Self::Unix(stream) => stream.write(buffer),
            Self::Tcp(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The name of the header that carries a ticket's number over the inner connection.
const TICKET_HEADER: &str = "X-Ticket";

/// The head that tiny_http sees: bodiless, clean whatever the client sent, and one a connection.
pub(crate) fn inner_head(method: &str, path: &str, number: u128) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n{TICKET_HEADER}: {number:032x}\r\n\r\n"
    )
}

/// The ticket's number in a request that came over the inner connection.
pub(crate) fn ticket_number(request: &Request) -> Option<u128> {
    let header = request
        .headers()
        .iter()
        .find(|header| header.field.equiv(TICKET_HEADER))?;
    u128::from_str_radix(header.value.as_str(), 16).ok()
}

/// A directory that only this user may enter, removed when it is dropped.
#[cfg(unix)]
#[derive(Debug)]
struct PrivateDir(std::path::PathBuf);

#[cfg(unix)]
impl PrivateDir {
    fn create() -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        let name = format!(
            "ociai-proxy-{}-{:016x}",
            std::process::id(),
            crate::crypto::random::<8>().map_or(0, u64::from_be_bytes)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    fn socket(&self) -> std::path::PathBuf {
        self.0.join("s")
    }

    fn remove(&self) {
        // What cannot be removed is an empty directory in the temporary one.
        let _ = std::fs::remove_file(self.socket());
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[cfg(unix)]
impl Drop for PrivateDir {
    fn drop(&mut self) {
        self.remove();
    }
}
