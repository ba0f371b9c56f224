//! The client connections that are held, so that there is a bound on them, idle ones can be closed for new ones, and a
//! drain can wait for the last.

use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;

#[derive(Debug)]
pub(crate) struct Connections {
    limit: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    entries: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    stream: Arc<TcpStream>,
    /// Since when it waits for the first byte of a request; `None` while one is read or answered.
    idle_since: Option<Instant>,
    /// Its socket was shut down from here; its thread is about to leave.
    closing: bool,
}

/// One held connection; dropping it gives its place back.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    id: u64,
}

impl Connections {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            held: Mutex::default(),
        })
    }

    /// A place for a new connection. At the limit the longest idle one is closed for it; `None` if none is idle.
    pub(crate) fn admit(self: &Arc<Self>, stream: &Arc<TcpStream>, now: Instant) -> Option<Place> {
        let mut held = self.held.lock();
        let living = held.entries.values().filter(|entry| !entry.closing).count();
        if living >= self.limit && !held.close_longest_idle() {
            return None;
        }
        let id = held.next;
        held.next += 1;
        held.entries.insert(
            id,
            Entry {
                stream: Arc::clone(stream),
                idle_since: Some(now),
                closing: false,
            },
        );
        Some(Place {
            connections: Arc::clone(self),
            id,
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.held.lock().entries.len()
    }

    /// Closes the longest idle connection, if one is idle: its descriptor is needed.
    pub(crate) fn close_longest_idle(&self) {
        self.held.lock().close_longest_idle();
    }

    /// Closes every idle connection.
    pub(crate) fn close_idle(&self) {
        while self.held.lock().close_longest_idle() {}
    }
}

impl Held {
    fn close_longest_idle(&mut self) -> bool {
        loop {
            let idle = self
                .entries
                .values_mut()
                .filter(|entry| !entry.closing && entry.idle_since.is_some());
            let Some(entry) = idle.min_by_key(|entry| entry.idle_since) else {
                return false;
            };
            if has_bytes(&entry.stream) {
                // A request has come, and its thread is about to see it.
                entry.idle_since = None;
                continue;
            }
            entry.closing = true;
            // Its thread wakes with an end of file and leaves. An error means that the client was faster.
            let _ = entry.stream.shutdown(Shutdown::Both);
            return true;
        }
    }
}

/// Whether there is something to read, without waiting for it and without a change that the socket's thread would see.
#[cfg(unix)]
fn has_bytes(stream: &TcpStream) -> bool {
    use rustix::net::{RecvFlags, recv};
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    recv(stream, &mut [0_u8; 1][..], flags).is_ok_and(|(_, read)| read > 0)
}

#[cfg(not(unix))]
fn has_bytes(_: &TcpStream) -> bool {
    false
}

impl Place {
    pub(crate) fn idle(&self, since: Instant) {
        self.set(Some(since));
    }

    pub(crate) fn busy(&self) {
        self.set(None);
    }

    fn set(&self, idle_since: Option<Instant>) {
        if let Some(entry) = self.connections.held.lock().entries.get_mut(&self.id) {
            entry.idle_since = idle_since;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.held.lock().entries.remove(&self.id);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    #[test]
    fn at_the_limit_the_longest_idle_one_makes_room() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (client, Arc::new(listener.accept().unwrap().0))
        };
        let connections = Connections::new(2);
        let t0 = Instant::now();
        let ((mut old, old_side), (_new, new_side), (_third, third_side)) =
            (connect(), connect(), connect());
        let first = connections.admit(&old_side, t0).unwrap();
        let second = connections
            .admit(&new_side, t0 + Duration::from_secs(1))
            .unwrap();
        second.busy();
        let third = connections
            .admit(&third_side, t0 + Duration::from_secs(2))
            .unwrap();
        assert_eq!(old.read(&mut [0]).unwrap(), 0);
        third.busy();
        drop(first);
        assert_eq!(connections.count(), 2);
        assert!(connections.admit(&third_side, t0).is_none());
    }
}
