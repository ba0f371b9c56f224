//! The client edge: the only room that names tiny_http. A gate of our own faces the network (`gate`), reads whole and
//! clean requests, and hands each to tiny_http over a private socket (`inner`); what comes out is an [`exchange::Exchange`].
//! Knows no routes, no keys, no accounts and nothing of OCI. Why it is built so: tiny_http 0.12 has no time-outs and no
//! bounds, and aborts or leaks on hostile heads; behind the gate it never sees one.

pub(crate) mod body;
mod chunked;
mod connection;
mod connections;
mod cors;
pub(crate) mod event_stream;
pub(crate) mod exchange;
mod gate;
mod handover;
pub(crate) mod head;
mod inner;
pub(crate) mod reply;
pub(crate) mod ticket;

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use crate::http::exchange::Exchange;
use crate::http::gate::Gate;
use crate::http::head::Head;
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
}

/// What the front door says about a head.
pub(crate) type Guard = dyn Fn(&Head) -> Option<ApiError> + Send + Sync;

/// What the rest of the program wants to say and to hear at the gate.
pub(crate) struct Desk {
    /// Asked about a head before its body is read: `None` lets the request in.
    pub(crate) guard: Box<Guard>,
    /// Told of each request that waited too long for a worker. The gate answers it, and says when to come back.
    pub(crate) expired: Box<dyn Fn() -> Duration + Send + Sync>,
}

/// An id for a call that no client has asked for.
pub(crate) fn new_request_id() -> RequestId {
    gate::new_request_id()
}

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
        let listener = bind_any(&settings.host, settings.port)?;
        let address = listener.local_addr()?;
        let gate = Gate::open(listener, settings, desk)?;
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

    /// Stops accepting, closes idle connections, and announces `Connection: close` on what is still answered.
    pub(crate) fn close(&self) {
        self.gate.close(self.address);
    }

    /// Client connections held now.
    pub(crate) fn connections(&self) -> usize {
        self.gate.connections()
    }

    /// Ends the waiting of every [`Listener::recv`], after the last answer.
    pub(crate) fn stop(&self) {
        self.gate.stop();
    }
}

fn bind_any(host: &str, port: u16) -> io::Result<TcpListener> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    TcpListener::bind(addresses.as_slice())
}
