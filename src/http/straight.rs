//! An answer's way to its client: straight to the client's socket as long as that takes what is written, which saves the answer
//! a hop and a thread its waking. From the first byte on that the socket does not take at once, through the inner connection:
//! there the connection's thread waits for the client, and keeps it to its pace.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use crate::http::event_stream::Writer;
use crate::http::ticket::Ticket;

/// While it lives, so does the inner connection: that ends with the answer.
pub(crate) struct Straight {
    ticket: Arc<Ticket>,
    /// `None`: from now on the other way.
    client: Option<Arc<TcpStream>>,
    inner: Writer,
}

impl Straight {
    /// `client` as far as it may be written to without waiting; `inner`: to the gate.
    pub(crate) fn new(ticket: Arc<Ticket>, client: Option<Arc<TcpStream>>, inner: Writer) -> Self {
        Self {
            ticket,
            client,
            inner,
        }
    }
}

impl io::Write for Straight {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(client) = &self.client else {
            return self.inner.write(bytes);
        };
        // The gate has ended it, and may be answering in its own name.
        if self.ticket.is_gone() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.ticket.commit();
        match send(client, bytes) {
            Ok(count) => {
                if count < bytes.len() {
                    self.client = None;
                }
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.client = None;
                self.inner.write(bytes)
            }
            Err(error) => Err(error),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.client {
            Some(_) => Ok(()),
            None => self.inner.flush(),
        }
    }
}

/// As much as the socket takes now.
#[cfg(unix)]
fn send(client: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::SendFlags;
    Ok(rustix::net::send(client, bytes, SendFlags::DONTWAIT)?)
}

/// The mode of a socket is that of all who use it, so this one cannot be told not to wait.
#[cfg(not(unix))]
fn send(_: &TcpStream, _: &[u8]) -> io::Result<usize> {
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::http::event_stream::tests::Wire;
    use crate::http::ticket::tests::ticket;

    fn pair() -> (TcpStream, Arc<TcpStream>) {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let client = TcpStream::connect(port.local_addr().unwrap()).unwrap();
        (client, Arc::new(port.accept().unwrap().0))
    }

    #[test]
    fn what_a_client_takes_goes_straight_and_all_the_rest_the_other_way_in_order() {
        let (mut client, socket) = pair();
        let (ticket, inner) = (ticket(), Wire::default());
        let mut straight =
            Straight::new(Arc::clone(&ticket), Some(socket), Box::new(inner.clone()));
        assert!(!ticket.is_committed());
        let text: Vec<u8> = (0_u32..4_000_000).flat_map(u32::to_be_bytes).collect();
        for piece in text.chunks(100_000) {
            straight.write_all(piece).unwrap();
        }
        straight.flush().unwrap();
        assert!(ticket.is_committed());
        drop(straight);
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        let rest = inner.0.lock();
        assert!(!received.is_empty() && !rest.is_empty());
        assert_eq!(received.len() + rest.len(), text.len());
        assert!(received == text[..received.len()] && *rest == text[received.len()..]);
    }

    #[test]
    fn what_the_gate_has_ended_reaches_nobody() {
        let (mut client, socket) = pair();
        let (ticket, inner) = (ticket(), Wire::default());
        let mut straight =
            Straight::new(Arc::clone(&ticket), Some(socket), Box::new(inner.clone()));
        ticket.leave();
        assert!(straight.write_all(b"too late").is_err());
        assert!(!ticket.is_committed());
        drop(straight);
        let mut received = Vec::new();
        client.read_to_end(&mut received).unwrap();
        assert!(received.is_empty() && inner.0.lock().is_empty());
    }

    #[test]
    fn a_client_that_left_is_an_error_and_nothing_goes_the_other_way() {
        let (client, socket) = pair();
        let inner = Wire::default();
        let mut straight = Straight::new(ticket(), Some(socket), Box::new(inner.clone()));
        drop(client);
        // The first bytes find out.
        while straight.write_all(b"0123456789").is_ok() {}
        assert!(inner.0.lock().is_empty());
    }
}
