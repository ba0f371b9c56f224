//! The hand-over of a ticket to tiny_http, and the answer's way back. Whatever happens behind the gate, the client gets
//! an answer in time: tiny_http dead, hand over again; nobody free within `queue_timeout`, 503; worker dead, 500.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::http::connection::{Client, Next, is_timeout, retry};
use crate::http::gate::{self, Gate};
use crate::http::inner::{self, Bound, Stream};
use crate::http::reply::Reply;
use crate::http::ticket::{Ticket, TicketNumber};
use crate::openai::error::ApiError;

/// How often the client is looked at while its answer is under way.
const TICK: Duration = Duration::from_millis(100);
/// The shortest wait for it: a time-out of zero would mean none.
const SHORTEST_LOOK: Duration = Duration::from_millis(1);
/// tiny_http hands a request out within this, or it is taken for dead.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// Hand-overs of one request before its client is told.
const MAX_HANDOVERS: u32 = 4;
/// How long a request waits for descriptors before its client is told, and how often it looks for them.
const RESOURCE_TIMEOUT: Duration = Duration::from_secs(4);
const RESOURCE_PAUSE: Duration = Duration::from_millis(20);
/// One piece of the answer's way back.
const COPY_BYTES: usize = 16 * 1024;

/// How one hand-over ended.
enum Ended {
    /// The answer is with the client to the last byte.
    Whole,
    /// Tell the client this; nothing was written.
    Answer(ApiError),
    /// tiny_http died before it handed the ticket out: try again.
    Again,
    /// No descriptor is left for the hand-over. tiny_http is not to blame, and starting it anew would need more of them.
    Starved,
    /// The client left, or its answer was cut: close.
    Close,
}

/// Gets a request answered.
pub(crate) fn answer(gate: &Arc<Gate>, client: &mut Client<'_>, ticket: &Arc<Ticket>) -> Next {
    let Some(number) = gate::random().map(u128::from_be_bytes).map(TicketNumber) else {
        client.refuse(
            Some(&ticket.head),
            &ticket.request_id,
            &ApiError::internal(),
        );
        return Next::Close;
    };
    gate.waiting.put(number, ticket);
    let mut handovers = 0;
    let ended = loop {
        let bound = gate.inner.current();
        let ended = hand_over(gate, &bound, client, ticket, number);
        match ended {
            Ended::Again if handovers < MAX_HANDOVERS => {
                handovers += 1;
                gate.inner.rebuild(&bound);
            }
            Ended::Starved if ticket.age(Instant::now()) < RESOURCE_TIMEOUT => {
                gate.connections.close_longest_idle();
                thread::sleep(RESOURCE_PAUSE);
            }
            Ended::Again | Ended::Starved | Ended::Whole | Ended::Answer(_) | Ended::Close => {
                break ended;
            }
        }
    };
    gate.waiting.forget(number);
    match ended {
        Ended::Whole if ticket.is_last_call() && ticket.keeps_alive() => Next::LastCall,
        Ended::Whole => Next::keep_if(ticket.keeps_alive()),
        Ended::Answer(error) => {
            log::info!(
                "{} {} {} {} answered {} after {} ms: {}",
                ticket.request_id,
                ticket.head.peer,
                ticket.head.method,
                ticket.head.path,
                error.status,
                ticket.age(Instant::now()).as_millis(),
                error.message
            );
            let keep = ticket.keeps_alive();
            let reply = Reply::error(&error);
            let answered = client.answer(Some(&ticket.head), &ticket.request_id, &reply, keep);
            Next::keep_if(answered.is_ok() && keep)
        }
        Ended::Again | Ended::Starved => {
            ticket.leave();
            client.refuse(
                Some(&ticket.head),
                &ticket.request_id,
                &ApiError::out_of_resources(),
            );
            Next::Close
        }
        Ended::Close => {
            ticket.leave();
            Next::Close
        }
    }
}

fn hand_over(
    gate: &Gate,
    bound: &Bound,
    client: &mut Client<'_>,
    ticket: &Ticket,
    number: TicketNumber,
) -> Ended {
    let mut inner = match bound.connect() {
        Ok(inner) => inner,
        Err(error) if inner::is_dead(&error) => return Ended::Again,
        Err(_) => return Ended::Starved,
    };
    let head = inner::inner_head(&ticket.head.method, &ticket.head.path, number.0);
    if inner.set_read_timeout(TICK).is_err() || inner.write_all(head.as_bytes()).is_err() {
        return Ended::Again;
    }
    copy_back(gate, &mut inner, client, ticket)
}

fn copy_back(gate: &Gate, inner: &mut Stream, client: &mut Client<'_>, ticket: &Ticket) -> Ended {
    let handed_over = Instant::now();
    let mut begun = false;
    let mut patience = TICK;
    let mut buffer = [0; COPY_BYTES];
    loop {
        let next = next_look(gate, ticket, Instant::now());
        if next != patience && inner.set_read_timeout(next).is_ok() {
            patience = next;
        }
        match retry(|| inner.read(&mut buffer)) {
            Ok(0) if ticket.is_whole() && begun => return Ended::Whole,
            Ok(0) => return cut(ticket, begun),
            Ok(read) => {
                begun = true;
                let piece = buffer.get(..read).unwrap_or_default();
                if let Err(error) = client.write(piece) {
                    tell_of_slow_reader(ticket, &error);
                    return Ended::Close;
                }
            }
            Err(error) if is_timeout(&error) => {}
            Err(_) => return cut(ticket, begun),
        }
        if begun && ticket.is_whole() {
            continue;
        }
        let now = Instant::now();
        if !begun && ticket.age(now) >= gate.queue_timeout && ticket.expire() {
            let retry_after = (gate.desk.expired)();
            return Ended::Answer(ApiError::queue_timeout(gate.queue_timeout, retry_after));
        }
        if !ticket.is_received() && now.saturating_duration_since(handed_over) >= RECEIVE_TIMEOUT {
            return Ended::Again;
        }
        if client.has_left() {
            return Ended::Close;
        }
    }
}

/// When to look at the client again: whoever waits too long is told so at that moment.
fn next_look(gate: &Gate, ticket: &Ticket, now: Instant) -> Duration {
    if !ticket.is_queued() {
        return TICK;
    }
    let left = gate.queue_timeout.saturating_sub(ticket.age(now));
    left.clamp(SHORTEST_LOOK, TICK)
}

/// A client that has left is told of by who answers it; that it was there and did not read, nobody else knows.
fn tell_of_slow_reader(ticket: &Ticket, error: &io::Error) {
    if is_timeout(error) {
        log::info!(
            "{} {} {} {} cut off: {error}",
            ticket.request_id,
            ticket.head.peer,
            ticket.head.method,
            ticket.head.path
        );
    }
}

/// The inner connection ended before a whole answer.
fn cut(ticket: &Ticket, begun: bool) -> Ended {
    match (begun, ticket.is_received()) {
        (true, _) => Ended::Close,
        (false, false) => Ended::Again,
        (false, true) => Ended::Answer(ApiError::internal()),
    }
}
