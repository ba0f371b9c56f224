//! The hand-over of a ticket to tiny_http, and the wait for its answer. Whatever happens behind the gate, the client gets
//! an answer in time: tiny_http dead, hand over again; nobody free within `queue_timeout`, 503; worker dead, 500.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::crypto;
use crate::http::connection::{Client, Next, is_timeout, retry};
use crate::http::gate::Gate;
use crate::http::inner::{self, Bound, Stream};
use crate::http::reply::Reply;
use crate::http::ticket::{Ticket, TicketNumber};
use crate::openai::error::ApiError;

/// The shortest wait: what is due now is looked at once more.
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
    let Some(number) = crypto::random().map(u128::from_be_bytes).map(TicketNumber) else {
        client.refuse(
            Some(&ticket.head),
            &ticket.request_id,
            &ApiError::internal(),
        );
        return Next::Close;
    };
    gate.waiting.put(number, ticket, Some(client.stream));
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
            let (id, head) = (&ticket.request_id, &ticket.head);
            let total = ticket.age(Instant::now()).as_millis();
            log::info!(
                msg = "request refused", request_id:% = id, client:% = head.peer, method = head.method.as_str(),
                path = head.path.as_str(), status = error.status, total_ms = total, error = error.message.as_str();
                "{id} {} {} {} answered {} after {total} ms: {}",
                head.peer,
                head.method,
                head.path,
                error.status,
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
    if inner.write_all(head.as_bytes()).is_err() {
        return Ended::Again;
    }
    attend(gate, &mut inner, client, ticket)
}

/// Waits until the answer is with the client, which mostly gets it straight from who answers; what comes through the inner
/// connection is copied. The end of that is the answer's.
fn attend(gate: &Gate, inner: &mut Stream, client: &mut Client<'_>, ticket: &Ticket) -> Ended {
    let handed_over = Instant::now();
    loop {
        let patience = patience(gate, ticket, handed_over, Instant::now());
        // What is whole is the client's, whatever it does now; and one that is far ahead may have left without our noticing.
        let is_watched = !ticket.is_whole() && !client.is_ahead();
        let watched = is_watched.then_some(&**client.stream);
        let ready = match inner.wait_with(watched, patience) {
            Ok(ready) => ready,
            Err(_) => return cut(ticket),
        };
        if ready.inner {
            match copy(inner, client, ticket) {
                Copied::Piece => continue,
                Copied::Nothing => {}
                Copied::End if ticket.is_whole() && ticket.is_committed() => return Ended::Whole,
                Copied::End => return cut(ticket),
                Copied::Refused(error) => {
                    tell_of_slow_reader(ticket, &error);
                    return Ended::Close;
                }
            }
        }
        if ready.client && client.has_left() && !ticket.is_whole() {
            return Ended::Close;
        }
        let now = Instant::now();
        if ticket.age(now) >= gate.queue_timeout && ticket.expire() {
            let retry_after = (gate.desk.expired)(&ticket.request_id);
            return Ended::Answer(ApiError::queue_timeout(gate.queue_timeout, retry_after));
        }
        if !ticket.is_received() && now.saturating_duration_since(handed_over) >= RECEIVE_TIMEOUT {
            return Ended::Again;
        }
    }
}

/// What came through the inner connection.
enum Copied {
    Piece,
    Nothing,
    End,
    /// The client does not take it.
    Refused(io::Error),
}

/// One piece on its way to a client that does not take its answer at once. Not a part of its caller, on whose stack the buffer would
/// be for all the others.
#[inline(never)]
fn copy(inner: &mut Stream, client: &mut Client<'_>, ticket: &Ticket) -> Copied {
    let mut buffer = [0; COPY_BYTES];
    match retry(|| inner.read(&mut buffer)) {
        Ok(0) => Copied::End,
        Ok(read) => {
            ticket.commit();
            match client.write(buffer.get(..read).unwrap_or_default()) {
                Ok(()) => Copied::Piece,
                Err(error) => Copied::Refused(error),
            }
        }
        Err(error) if is_timeout(&error) => Copied::Nothing,
        Err(_) => Copied::End,
    }
}

/// Until when nothing can happen but on one of the two connections; without an end once somebody answers.
fn patience(gate: &Gate, ticket: &Ticket, handed_over: Instant, now: Instant) -> Option<Duration> {
    let received = RECEIVE_TIMEOUT.saturating_sub(now.saturating_duration_since(handed_over));
    let queued = gate.queue_timeout.saturating_sub(ticket.age(now));
    match (ticket.is_received(), ticket.is_queued()) {
        (false, _) => Some(received.min(queued).max(SHORTEST_LOOK)),
        (true, true) => Some(queued.max(SHORTEST_LOOK)),
        (true, false) => None,
    }
}

/// A client that has left is told of by who answers it; that it was there and did not read, nobody else knows.
fn tell_of_slow_reader(ticket: &Ticket, error: &io::Error) {
    if is_timeout(error) {
        let (id, head) = (&ticket.request_id, &ticket.head);
        log::info!(
            msg = "cut off", request_id:% = id, client:% = head.peer, method = head.method.as_str(), path = head.path.as_str(),
            error:%;
            "{id} {} {} {} cut off: {error}",
            head.peer,
            head.method,
            head.path
        );
    }
}

/// The inner connection ended before a whole answer.
fn cut(ticket: &Ticket) -> Ended {
    match (ticket.is_committed(), ticket.is_received()) {
        (true, _) => Ended::Close,
        (false, false) => Ended::Again,
        (false, true) => {
            // Should its worker still live, it writes no more.
            ticket.leave();
            Ended::Answer(ApiError::internal())
        }
    }
}
