//! The ticket: what a connection's thread at the gate and the thread that answers share about one request. Its state moves
//! by compare-and-swap only, so that each of the two learns at once what the other decided:
//!
//! ```text
//! Queued -> Running -> Whole      taken by a worker, answered to the last byte, be it an error's within a stream
//!    |         +-----> Gone       the client left
//!    +---------------> Gone
//!    +---------------> Expired    waited too long; the gate has answered
//! ```

use std::collections::HashMap;
use std::fmt;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::http::body::Body;
use crate::http::head::Head;
use crate::names::RequestId;

const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const WHOLE: u8 = 2;
const GONE: u8 = 3;
const EXPIRED: u8 = 4;

/// One request on its way, from its last body byte to the last byte of its answer.
pub(crate) struct Ticket {
    pub(crate) head: Head,
    pub(crate) request_id: RequestId,
    /// When the request was whole.
    pub(crate) arrived: Instant,
    body: Mutex<Option<Body>>,
    place: Mutex<Option<Place>>,
    state: AtomicU8,
    received: AtomicBool,
    committed: AtomicBool,
    keep_alive: AtomicBool,
    last_call: AtomicBool,
}

/// The number under which a ticket travels over the inner connection. Unguessable: 128 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TicketNumber(pub(crate) u128);

/// A place in somebody's queue: dropped, and so given back, when the ticket is queued no longer, whatever it becomes then.
pub(crate) type Place = Box<dyn Send + Sync>;

/// The tickets that tiny_http has not handed out yet, with their clients' sockets. Each is taken once.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    tickets: Mutex<HashMap<TicketNumber, Deposit>>,
}

type Deposit = (Arc<Ticket>, Option<Arc<TcpStream>>);

impl Ticket {
    pub(crate) fn new(
        head: Head,
        body: Body,
        request_id: RequestId,
        arrived: Instant,
    ) -> Arc<Self> {
        let keep_alive = AtomicBool::new(head.wants_keep_alive());
        Arc::new(Self {
            head,
            request_id,
            arrived,
            body: Mutex::new(Some(body)),
            place: Mutex::default(),
            state: AtomicU8::new(QUEUED),
            received: AtomicBool::new(false),
            committed: AtomicBool::new(false),
            keep_alive,
            last_call: AtomicBool::new(false),
        })
    }

    /// The body, once; `None` the second time.
    pub(crate) fn take_body(&self) -> Option<Body> {
        self.body.lock().take()
    }

    /// How long the request has waited so far.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.arrived)
    }

    /// Whether it can still be answered by whoever takes it.
    pub(crate) fn is_queued(&self) -> bool {
        self.state.load(Ordering::Acquire) == QUEUED
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.state.load(Ordering::Acquire) == GONE
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.state.load(Ordering::Acquire) == WHOLE
    }

    /// Takes it for answering. `false`: its client left or its time is up, and nothing may be written.
    pub(crate) fn begin(&self) -> bool {
        let begun = self.step(QUEUED, RUNNING);
        self.give_place_back();
        begun
    }

    /// Keeps the place as long as it is queued.
    pub(crate) fn hold(&self, place: Place) {
        *self.place.lock() = Some(place);
        // It may have left the queue in between.
        if !self.is_queued() {
            self.give_place_back();
        }
    }

    /// The answer's last byte is about to be written. `false`: the client left.
    pub(crate) fn complete(&self) -> bool {
        self.step(RUNNING, WHOLE)
    }

    /// The client left, or reads no more.
    pub(crate) fn leave(&self) {
        if self.step(QUEUED, GONE) {
            self.drop_body();
            self.give_place_back();
        } else {
            self.step(RUNNING, GONE);
        }
    }

    /// It waited too long. `true`: the gate must answer it, nobody else will.
    pub(crate) fn expire(&self) -> bool {
        let expired = self.step(QUEUED, EXPIRED);
        if expired {
            self.drop_body();
            self.give_place_back();
        }
        expired
    }

    /// What nobody will read gives its memory back now, and not when a worker comes to it in the queue.
    fn drop_body(&self) {
        drop(self.take_body());
    }

    fn give_place_back(&self) {
        drop(self.place.lock().take());
    }

    /// Whether tiny_http has handed it out.
    pub(crate) fn is_received(&self) -> bool {
        self.received.load(Ordering::Acquire)
    }

    /// Something of the answer is about to reach the client: no other answer is possible.
    pub(crate) fn commit(&self) {
        self.committed.store(true, Ordering::Release);
    }

    pub(crate) fn is_committed(&self) -> bool {
        self.committed.load(Ordering::Acquire)
    }

    /// Whether the client's connection may live on after a whole answer.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.keep_alive.load(Ordering::Acquire)
    }

    /// The answer ends the connection, but has not announced it.
    pub(crate) fn last_call(&self) {
        self.last_call.store(true, Ordering::Release);
    }

    pub(crate) fn is_last_call(&self) -> bool {
        self.last_call.load(Ordering::Acquire)
    }

    /// The answer announces `Connection: close`.
    pub(crate) fn close_after(&self) {
        self.keep_alive.store(false, Ordering::Release);
    }

    fn step(&self, from: u8, to: u8) -> bool {
        self.state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("request_id", &self.request_id)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Waiting {
    /// `client`: where its answer may be written to.
    pub(crate) fn put(
        &self,
        number: TicketNumber,
        ticket: &Arc<Ticket>,
        client: Option<&Arc<TcpStream>>,
    ) {
        let deposit = (Arc::clone(ticket), client.map(Arc::clone));
        self.tickets.lock().insert(number, deposit);
    }

    /// Hands a ticket out and marks it received; a number that is unknown or was taken before gives `None`.
    pub(crate) fn take(&self, number: TicketNumber) -> Option<Deposit> {
        let (ticket, client) = self.tickets.lock().remove(&number)?;
        ticket.received.store(true, Ordering::Release);
        Some((ticket, client))
    }

    /// The gate gives up on a ticket that nobody took.
    pub(crate) fn forget(&self, number: TicketNumber) {
        self.tickets.lock().remove(&number);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
pub(crate) mod tests {
    use super::*;
    use crate::http::body::Budget;
    use crate::http::head::{self, Parsed};

    /// Of a request without a body.
    pub(crate) fn ticket() -> Arc<Ticket> {
        let Parsed::Whole { head, .. } = head::parse(
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "127.0.0.1:9".parse().unwrap(),
        )
        .unwrap() else {
            unreachable!("the head is whole")
        };
        Ticket::new(
            head,
            Body::empty(&Budget::new(0)),
            RequestId::new("id"),
            Instant::now(),
        )
    }

    #[test]
    fn only_one_side_wins_a_queued_ticket() {
        let taken = ticket();
        assert!(taken.begin());
        assert!(!taken.expire());
        taken.leave();
        assert!(taken.is_gone());
        assert!(!taken.complete());

        let place: Arc<()> = Arc::default();
        let held = || Arc::strong_count(&place) > 1;
        for end in [Ticket::begin, Ticket::expire, |ticket: &Ticket| {
            ticket.leave();
            true
        }] {
            let queued = ticket();
            queued.hold(Box::new(Arc::clone(&place)));
            assert!(held());
            assert!(end(&queued) && !held());
            queued.hold(Box::new(Arc::clone(&place)));
            assert!(!held(), "it is queued no longer");
        }

        let expired = ticket();
        assert!(expired.expire());
        assert!(expired.take_body().is_none());
        assert!(!expired.begin());
        assert!(!expired.expire());

        let whole = ticket();
        assert!(whole.begin() && whole.complete());
        whole.leave();
        assert!(whole.is_whole() && !whole.is_gone());
    }

    #[test]
    fn a_waiting_ticket_is_handed_out_once() {
        let (waiting, number) = (Waiting::default(), TicketNumber(7));
        waiting.put(number, &ticket(), None);
        assert!(waiting.take(TicketNumber(8)).is_none());
        assert!(waiting.take(number).unwrap().0.is_received());
        assert!(waiting.take(number).is_none());
    }
}
