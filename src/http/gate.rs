//! The gate: accepts clients' connections, one thread each, and puts whole, clean requests before tiny_http. Accepting
//! never ends: an error (no descriptors, no threads) costs one connection and a pause, not the port.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::crypto;

use crate::http::body::Budget;
use crate::http::connection;
use crate::http::connections::{Connections, Place};
use crate::http::door::{Bell, Door};
use crate::http::exchange::Exchange;
use crate::http::head::Version;
use crate::http::inner::{self, Inner};
use crate::http::pace::PaceLimits;
use crate::http::reply::{self, Asked, Ending, Reply};
use crate::http::shape::Shape;
use crate::http::straight::Straight;
use crate::http::ticket::{TicketNumber, Waiting};
use crate::http::{Desk, ListenSettings};
use crate::names::RequestId;
use crate::openai::error::ApiError;

/// Stack of a connection's thread: it parses a head and copies bytes, nothing deep. Only touched pages cost memory.
const CONNECTION_STACK_BYTES: usize = 192 * 1024;
/// Pause after a failed accept, so that exhausted descriptors are not asked for in a loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// A trouble that lasts is told once in this time.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// How long one call of [`Gate::recv`] waits before it looks again whether the edge is stopped or tiny_http was replaced.
const RECV_TICK: Duration = Duration::from_millis(250);

pub(crate) struct Gate {
    pub(crate) inner: Inner,
    pub(crate) waiting: Waiting,
    pub(crate) connections: Arc<Connections>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) desk: Desk,
    pub(crate) max_request_bytes: usize,
    pub(crate) queue_timeout: Duration,
    pub(crate) pace: PaceLimits,
    /// The end is near: connections end after their answer, and say so.
    pub(crate) closing: Arc<AtomicBool>,
    /// No new connections. The bell wakes the thread that would wait for them.
    shut: AtomicBool,
    bell: Bell,
    /// Connections are accepted, or some of them may still be on their way from the port to `connections`.
    accepting: AtomicBool,
    stopped: AtomicBool,
}

impl Gate {
    /// `shared`: others have the socket too.
    pub(crate) fn open(
        socket: TcpListener,
        shared: bool,
        settings: &ListenSettings,
        desk: Desk,
    ) -> io::Result<Arc<Self>> {
        let (door, bell) = Door::new(socket, shared)?;
        let gate = Arc::new(Self {
            inner: Inner::open()?,
            waiting: Waiting::default(),
            connections: Connections::new(settings.max_connections),
            budget: Budget::new(settings.max_body_memory),
            desk,
            max_request_bytes: settings.max_request_bytes,
            queue_timeout: settings.queue_timeout,
            pace: settings.pace,
            closing: Arc::new(AtomicBool::new(false)),
            shut: AtomicBool::new(false),
            bell,
            accepting: AtomicBool::new(true),
            stopped: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&gate);
        thread::Builder::new()
            .name("accept".to_owned())
            .spawn(move || {
                accepting.accept(&door);
                drop(door);
                accepting.accepting.store(false, Ordering::Release);
            })?;
        Ok(gate)
    }

    pub(crate) fn recv(&self) -> Option<Exchange> {
        while !self.stopped.load(Ordering::Acquire) {
            let bound = self.inner.current();
            match bound.server.recv_timeout(RECV_TICK) {
                Ok(Some(request)) => {
                    let deposit = inner::ticket_number(&request)
                        .and_then(|n| self.waiting.take(TicketNumber(n)));
                    let inner = request.into_writer();
                    // Without a living ticket it is not from the gate, or it was handed over twice: no answer at all.
                    if let Some((ticket, client)) = deposit {
                        let writer = Straight::new(Arc::clone(&ticket), client, inner);
                        let closing = Arc::clone(&self.closing);
                        return Some(Exchange::new(ticket, Box::new(writer), closing));
                    }
                }
                Ok(None) => {}
                Err(_) => self.inner.rebuild(&bound),
            }
        }
        None
    }

    /// The port is closed, and so is the last connection.
    pub(crate) fn is_empty(&self) -> bool {
        !self.accepting.load(Ordering::Acquire) && self.connections.count() == 0
    }

    pub(crate) fn announce_end(&self) {
        self.closing.store(true, Ordering::Release);
    }

    pub(crate) fn close(&self) {
        self.announce_end();
        self.shut.store(true, Ordering::Release);
        self.bell.ring();
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.inner.current().remove();
    }

    fn accept(self: &Arc<Self>, door: &Door) {
        let mut warned: Option<Instant> = None;
        while !self.shut.load(Ordering::Acquire) {
            let admitted = match door.accept() {
                Ok(Some((stream, peer))) => self.admit(stream, peer),
                Ok(None) => break,
                Err(error) => Err(error),
            };
            if let Err(error) = admitted {
                if warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
                    log::warn!("warning: cannot accept a connection: {error}");
                    warned = Some(Instant::now());
                }
                // Descriptors or threads are short, and an idle connection has one of each.
                self.connections.close_longest_idle();
                thread::sleep(ACCEPT_PAUSE);
            }
        }
        for (stream, peer) in door.last() {
            if let Err(error) = self.admit(stream, peer) {
                log::warn!("warning: cannot accept a last connection: {error}");
            }
        }
    }

    /// # Errors
    /// No thread can be had for it; it is closed.
    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) -> io::Result<()> {
        // Neither option failing makes the connection useless, only slower to notice trouble.
        let _ = stream.set_nodelay(true);
        let _ = stream.set_write_timeout(Some(self.pace.write_timeout()));
        let stream = Arc::new(stream);
        let Some(place) = self.connections.admit(&stream, Instant::now()) else {
            refuse_unread(&stream, &ApiError::too_many_connections());
            return Ok(());
        };
        self.spawn(stream, peer, place)
    }

    fn spawn(
        self: &Arc<Self>,
        stream: Arc<TcpStream>,
        peer: SocketAddr,
        place: Place,
    ) -> io::Result<()> {
        let gate = Arc::clone(self);
        thread::Builder::new()
            .name("client".to_owned())
            .stack_size(CONNECTION_STACK_BYTES)
            .spawn(move || connection::serve(&gate, &stream, peer, &place))
            .map(|_| ())
    }
}

/// Answers a connection of which no byte was read, without waiting for it.
fn refuse_unread(stream: &TcpStream, error: &ApiError) {
    let reply = Reply::error(error);
    let id = new_request_id();
    let asked = Asked {
        path: "/v1/",
        version: Version::Http11,
        shape: Shape::OpenAi,
        request_id: &id,
        keep_alive: false,
    };
    let mut bytes = reply::head_bytes(
        asked,
        reply.status,
        &reply.headers,
        Ending::Length(reply.body.len()),
        SystemTime::now(),
    );
    bytes.extend_from_slice(&reply.body);
    if stream.set_nonblocking(true).is_ok() {
        // What is there already is read, so that closing sends no reset that would overtake the answer.
        let _ = io::Read::read(&mut &*stream, &mut [0; 4096]);
        let _ = io::Write::write(&mut &*stream, &bytes);
        let _ = stream.shutdown(Shutdown::Write);
    }
}

/// A request id for an answer. Without a random source all ids are the same, which harms only whoever reads the log.
pub(crate) fn new_request_id() -> RequestId {
    RequestId::from_random(crypto::random().unwrap_or_default())
}
