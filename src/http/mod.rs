//! The client edge: the only room that names tiny_http. A gate of our own faces the network (`gate`), reads whole and
//! clean requests, and hands each to tiny_http over a private socket (`inner`); what comes out is an [`exchange::Exchange`], whose
//! answer goes straight to the client's socket as long as that takes it (`straight`).
//! Knows no routes, no keys, no accounts and nothing of OCI. Why it is built so: tiny_http 0.12 has no time-outs and no
//! bounds, and aborts or leaks on hostile heads; behind the gate it never sees one.

pub(crate) mod body;
mod chunked;
mod connection;
mod connections;
mod cors;
mod door;
pub(crate) mod event_stream;
pub(crate) mod exchange;
#[cfg(test)]
mod fuzz;
mod gate;
mod handover;
pub(crate) mod head;
mod inner;
pub(crate) mod pace;
pub(crate) mod reply;
pub(crate) mod shape;
#[cfg(test)]
mod slow_readers;
mod straight;
pub(crate) mod ticket;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use crate::http::exchange::Exchange;
use crate::http::gate::Gate;
use crate::http::head::Head;
use crate::http::pace::PaceLimits;
use crate::names::RequestId;
use crate::openai::error::ApiError;

/// Where to listen if the command line does not say: all interfaces.
pub(crate) const DEFAULT_HOST: &str = "0.0.0.0";
pub(crate) const DEFAULT_PORT: u16 = 8080;

/// What the client edge is set to. Filled by the configuration.
#[derive(Debug, Clone)]
pub(crate) struct ListenSettings {
    /// Address or name to listen on, such as `0.0.0.0`.
    pub(crate) host: String,
    /// 0 lets the system choose: tests.
    pub(crate) port: u16,
    /// Client connections held at once; at the cap the longest idle one is closed for a new one.
    pub(crate) max_connections: usize,
    /// Largest request body, bytes.
    pub(crate) max_request_bytes: usize,
    /// Request bodies held at once, bytes in all.
    pub(crate) max_body_memory: usize,
    /// Longest wait of a request for a worker and a slot.
    pub(crate) queue_timeout: Duration,
    /// After the signal to stop: how long the port stays open, so that balancers see `/ready` say 503 first.
    pub(crate) drain_delay: Duration,
    /// How slowly a client may read.
    pub(crate) pace: PaceLimits,
}

/// What the front door says about a head.
pub(crate) type Guard = dyn Fn(&Head) -> Option<ApiError> + Send + Sync;

/// What the rest of the program wants to say and to hear at the gate.
pub(crate) struct Desk {
    /// Asked about a head before its body is read: `None` lets the request in.
    pub(crate) guard: Box<Guard>,
    /// Told of each request that waited too long for a worker. The gate answers it, and says when to come back.
    pub(crate) expired: Box<dyn Fn(&RequestId) -> Duration + Send + Sync>,
}

/// An id for a call that no client has asked for.
pub(crate) fn new_request_id() -> RequestId {
    gate::new_request_id()
}

/// How long a connection without a request is still listened to when the end has come: a client that knows no better may
/// have sent one already.
pub(crate) const LAST_CALL_TIMEOUT: Duration = Duration::from_secs(1);

/// The open port. Dropping it does not stop it: [`Listener::close`] does.
pub(crate) struct Listener {
    gate: Arc<Gate>,
    address: SocketAddr,
}

impl Listener {
    /// Binds the port and starts to accept.
    ///
    /// # Errors
    /// The port is in use or not allowed, the host is unknown, or the private socket behind the gate cannot be made.
    pub(crate) fn bind(settings: &ListenSettings, desk: Desk) -> io::Result<Self> {
        let socket = door::bind(&settings.host, settings.port)?;
        Self::open(socket, false, settings, desk)
    }

    /// Starts to accept from a socket that listens already, and that others have too.
    ///
    /// # Errors
    /// It is no socket of a port any more, or the private socket behind the gate cannot be made.
    pub(crate) fn share(
        socket: TcpListener,
        settings: &ListenSettings,
        desk: Desk,
    ) -> io::Result<Self> {
        Self::open(socket, true, settings, desk)
    }

    fn open(
        socket: TcpListener,
        shared: bool,
        settings: &ListenSettings,
        desk: Desk,
    ) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let gate = Gate::open(socket, shared, settings, desk)?;
        Ok(Self { gate, address })
    }

    /// The address that is listened on, with the port that the system chose.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next request; `None` once the edge is closed. Any number of threads may call it.
    pub(crate) fn recv(&self) -> Option<Exchange> {
        self.gate.recv()
    }

    /// From now on each answer ends its connection and announces that; new ones are still accepted.
    pub(crate) fn announce_end(&self) {
        self.gate.announce_end();
    }

    /// Closes the port. Whoever waits at a port of our own is let in before; at a shared one he is left to the others. What
    /// is connected may still send a request, until [`Listener::close_idle`].
    pub(crate) fn close(&self) {
        self.gate.close();
    }

    /// Closes the connections on which no request has begun to arrive.
    pub(crate) fn close_idle(&self) {
        self.gate.connections.close_idle();
    }

    /// Whether the port is closed and no connection is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.gate.is_empty()
    }

    /// Ends the waiting of every [`Listener::recv`], after the last answer.
    pub(crate) fn stop(&self) {
        self.gate.stop();
    }
}
