//! Sockets that never wait longer than a tick without asking the call they serve (`call.rs`) whether to go on, and the
//! chain of connectors around them. This is how one blocking thread drops a call within a tick or two after its client
//! left: while connecting TLS, while writing, before the head, after it, and below TLS.
//!
//! A tick that passes without data stays inside `await_input` or `transmit_output`: ureq and rustls never see it, so no
//! state of theirs is disturbed and no byte is lost. Only connecting itself (one system call) cannot be interrupted; it
//! has the connect time-out. `Transport` and `Connector` are outside ureq's semver promise: see Cargo.toml.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout,
    RustlsConnector, Transport,
};

use super::call;

/// What `ureq` uses by default, with our sockets in the place of its own, and the meter on top. `proxied`: the agent
/// has a proxy configured.
pub(super) fn connectors(proxied: bool) -> impl Connector<Out = impl Transport> {
    ().chain(ConnectProxyConnector::default())
        .chain(TickConnector)
        .chain(RustlsConnector::default())
        .chain(MeterConnector { proxied })
}

/// Opens TCP connections, unless a proxy connector before it has made one already.
#[derive(Debug)]
pub(super) struct TickConnector;

impl<In: Transport> Connector<In> for TickConnector {
    type Out = Either<In, TickTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        call::note_fresh_connection();
        if let Some(transport) = chained {
            return Ok(Some(Either::A(transport)));
        }
        let stream = connect(&details.addrs, limit(details.timeout))?;
        stream.set_nodelay(true)?;
        let (input, output) = (
            details.config.input_buffer_size(),
            details.config.output_buffer_size(),
        );
        Ok(Some(Either::B(TickTransport {
            stream,
            buffers: LazyBuffers::new(input, output),
            read_wait: None,
            write_wait: None,
            write_failed: false,
        })))
    }
}

/// The first address that answers. Each gets half of the time that is left, and the last one all of it.
fn connect(addrs: &[SocketAddr], limit: Option<Instant>) -> Result<TcpStream, ureq::Error> {
    // Without addresses: ureq leaves the look-up to a SOCKS proxy, which we have none of.
    let mut failure = io::Error::new(
        ErrorKind::Unsupported,
        "no address to connect to; a proxy in the environment must be an HTTP proxy",
    );
    let mut further = addrs.len();
    for addr in addrs {
        further -= 1;
        let left = call::left(limit)?;
        let share = if further == 0 { left } else { left / 2 };
        match TcpStream::connect_timeout(addr, share) {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    match failure.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Err(call::connect_timed_out()),
        _ => Err(failure.into()),
    }
}

/// A TCP connection. Outside a call it can be dropped and asked whether it is open, and nothing else.
#[derive(Debug)]
pub(super) struct TickTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// What the socket's time-outs are set to: setting them costs a system call.
    read_wait: Option<Duration>,
    write_wait: Option<Duration>,
    /// The other side reads no more. What it still has to say can be read.
    write_failed: bool,
}

impl Transport for TickTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let limit = limit(timeout);
        let mut sent = 0;
        while sent < amount && !self.write_failed {
            let wait = call::pause(limit)?;
            if self.write_wait != Some(wait) {
                self.stream.set_write_timeout(Some(wait))?;
                self.write_wait = Some(wait);
            }
            let rest = self.buffers.output().get(sent..amount).unwrap_or_default();
            match self.stream.write(rest) {
                Ok(bytes) => sent += bytes,
                Err(error) if is_tick(&error) => {}
                // A server that refuses a request before it has read it all (401, 413) answers and closes. The answer
                // says more than this error: let ureq read it. If there is none, reading fails in its turn.
                Err(error) if is_hang_up(&error) => self.write_failed = true,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let limit = limit(timeout);
        loop {
            let wait = call::pause(limit)?;
            if self.read_wait != Some(wait) {
                self.stream.set_read_timeout(Some(wait))?;
                self.read_wait = Some(wait);
            }
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(bytes) => {
                    self.buffers.input_appended(bytes);
                    return Ok(bytes > 0);
                }
                Err(error) if is_tick(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        !self.write_failed && is_idle(&self.stream)
    }
}

/// Alive, and with nothing to read: whatever comes unasked for is a reason not to use a connection again.
fn is_idle(stream: &TcpStream) -> bool {
    peek_now(stream).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// Looks at what is there to be read, without waiting.
#[cfg(unix)]
fn peek_now(stream: &TcpStream) -> io::Result<usize> {
    use rustix::net::{RecvFlags, recv};
    let (count, _) = recv(stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
    Ok(count)
}

#[cfg(not(unix))]
fn peek_now(stream: &TcpStream) -> io::Result<usize> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    peeked
}

fn is_tick(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted
    )
}

/// ureq's own limit for this step, as a point in time. Of its limits only the connect time-out is set.
fn limit(timeout: NextTimeout) -> Option<Instant> {
    if timeout.after.is_not_happening() {
        None
    } else {
        Instant::now().checked_add(*timeout.after)
    }
}

/// Puts a `MeterTransport` on top of the connection to OCI.
#[derive(Debug)]
struct MeterConnector {
    proxied: bool,
}

impl<In: Transport> Connector<In> for MeterConnector {
    type Out = Either<In, MeterTransport<In>>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        // The connection to a proxy is made by this same chain, with the proxy taken out of its configuration. What
        // the proxy says is not OCI's answer.
        let to_the_proxy = self.proxied && details.config.proxy().is_none();
        Ok(chained.map(|transport| {
            if to_the_proxy {
                Either::A(transport)
            } else {
                Either::B(MeterTransport(transport))
            }
        }))
    }
}

/// Tells the call how far it is: when the request goes out, and how much of the answer came. It sits above TLS, where
/// a closing alert or a session ticket is not mistaken for an answer.
#[derive(Debug)]
struct MeterTransport<T>(T);

impl<T: Transport> Transport for MeterTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        call::note_sending();
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let before = self.0.buffers().input().len();
        // Reading into a full buffer looks like the end of the connection. ureq takes out all it can use, so this is
        // a head, or the size line of a chunk, without end.
        if self.0.buffers().input_append_buf().is_empty() {
            return Err(ureq::Error::LargeResponseHeader(before, before));
        }
        let progress = self.0.await_input(timeout)?;
        let after = self.0.buffers().input().len();
        call::note_received(after.saturating_sub(before))?;
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}
