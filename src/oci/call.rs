//! The one upstream call a thread is making: its deadline, the hook that may stop it, and why it was stopped.
//!
//! ureq keeps transports in its pool, so a transport outlives the call that made it and cannot carry that call's
//! state. A call never leaves its thread, so the state is a thread-local, set by `Call::enter` and cleared when the
//! `Call` is dropped, by a panic too. Transport and resolver ask it how long they may wait, and write into it why they
//! gave up: nobody has to guess that from the kind of an I/O error. Knows no sockets and no HTTP.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use super::error::{OciError, Phase, without_signature};

/// How often the hook is asked while a call waits; what a thread may be late in noticing that its client left.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// The shortest time a socket is told to wait: a time-out of zero means "for ever" to the system.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// Bytes that may come before a complete head: interim answers count, which may be many.
const MAX_BYTES_BEFORE_HEAD: u64 = 64 * 1024;

/// The longest explanation of an error, in characters.
const MAX_WHY_CHARS: usize = 200;

/// The hook's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    /// Give the call up: nobody waits for its answer any more.
    Stop,
}

/// Asked every `TICK` while a thread waits for OCI, and never after the call has ended. It must not block, and it
/// cannot make an upstream call of its own.
pub(crate) type Hook = Box<dyn FnMut() -> Flow>;

thread_local! {
    static CURRENT: RefCell<Option<State>> = const { RefCell::new(None) };
}

struct State {
    /// `None` while it runs, and once nobody wants to be asked any more.
    hook: Option<Hook>,
    ask_at: Instant,
    deadline: Instant,
    /// The limit that `deadline` came from, for the error.
    after: Duration,
    connect_timeout: Duration,
    phase: Phase,
    stop: Option<Stop>,
    /// This try went through the connector; if not, ureq took a connection out of its pool.
    fresh: bool,
    /// Bytes of the answer, after TLS, that this try has received.
    received: u64,
    /// The head is complete, and the body may be longer.
    has_head: bool,
}

#[derive(Debug, Clone, Copy)]
enum Stop {
    Cancelled,
    Deadline { phase: Phase, after: Duration },
}

/// The right to make one upstream call on this thread. It cannot move to another one.
pub(super) struct Call {
    _this_thread: PhantomData<*const ()>,
}

impl Call {
    /// Starts a call that must be done by `deadline`; `after` is the limit that the deadline came from. An error if
    /// this thread is in the middle of another call, whose stream is still held by somebody.
    pub(super) fn enter(
        hook: Hook,
        deadline: Instant,
        after: Duration,
        connect_timeout: Duration,
    ) -> Result<Self, OciError> {
        CURRENT.with_borrow_mut(|current| {
            if current.is_some() {
                return Err(OciError::Unreachable {
                    phase: Phase::Connect,
                    why: "this thread is in the middle of another call".to_owned(),
                });
            }
            *current = Some(State {
                hook: Some(hook),
                ask_at: Instant::now(),
                deadline,
                after,
                connect_timeout,
                phase: Phase::Connect,
                stop: None,
                fresh: false,
                received: 0,
                has_head: false,
            });
            Ok(Self {
                _this_thread: PhantomData,
            })
        })
    }

    /// Another try of the same call.
    pub(super) fn start_try(&self) {
        with(|state| {
            state.phase = Phase::Connect;
            state.fresh = false;
            state.received = 0;
            state.has_head = false;
        });
    }

    /// What comes from now on belongs to the body.
    pub(super) fn note_head(&self) {
        with(|state| state.has_head = true);
    }

    /// The next wait ends at `deadline`, or fails as a time-out after `after`.
    pub(super) fn set_deadline(&self, deadline: Instant, after: Duration) {
        with(|state| {
            state.deadline = deadline;
            state.after = after;
        });
    }

    pub(super) fn set_phase(&self, phase: Phase) {
        with(|state| state.phase = phase);
    }

    /// Nobody waits for this call any more, and nothing but its deadline ends it.
    pub(super) fn forget_hook(&self) {
        // Dropped here and not inside `with`: a hook's own drop must not find the state borrowed.
        let hook = with(|state| state.hook.take());
        drop(hook);
    }

    /// The call is over if the hook says so now, or if the deadline has passed.
    pub(super) fn check(&self) -> Result<(), OciError> {
        match left(None) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.unanswered(error)),
        }
    }

    /// The connection that failed came out of the pool and did not give a single byte: the server had closed it, and
    /// has most likely never seen the request.
    pub(super) fn was_stale(&self, error: &ureq::Error) -> bool {
        matches!(error, ureq::Error::Io(_))
            && with(|state| !state.fresh && state.received == 0 && state.stop.is_none())
                .unwrap_or(false)
    }

    /// What an error means that came before a complete head.
    pub(super) fn unanswered(&self, error: ureq::Error) -> OciError {
        if let Some(stopped) = self.stopped() {
            return stopped;
        }
        let (phase, received) =
            with(|state| (state.phase, state.received)).unwrap_or((Phase::Connect, 0));
        match (phase, error) {
            (_, error @ (ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..))) => {
                OciError::Broken {
                    why: format!("the head of the answer is not HTTP: {}", describe(&error)),
                }
            }
            (Phase::Answer | Phase::Body, error) if received > 0 => OciError::Broken {
                why: format!("cut off in the head of the answer: {}", describe(&error)),
            },
            (phase, error) => OciError::Unreachable {
                phase,
                why: describe(&error),
            },
        }
    }

    /// What an error means that came while a body was read.
    pub(super) fn cut_off(&self, error: std::io::Error) -> OciError {
        self.stopped().unwrap_or_else(|| OciError::Broken {
            why: format!(
                "cut off in the body: {}",
                describe(&ureq::Error::from(error))
            ),
        })
    }

    fn stopped(&self) -> Option<OciError> {
        with(|state| state.stop).flatten().map(|stop| match stop {
            Stop::Cancelled => OciError::Cancelled,
            Stop::Deadline { phase, after } => OciError::Timeout { phase, after },
        })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // Out of the cell first, as above. At the end of a thread the cell may be gone already.
        let state = CURRENT.try_with(|current| current.borrow_mut().take());
        drop(state);
    }
}

/// How long a socket may wait now, 1 ms to `TICK`. `limit` is a further deadline for this step, that of connecting.
/// An error when the call is to end; the reason is kept for `Call`.
pub(super) fn pause(limit: Option<Instant>) -> Result<Duration, ureq::Error> {
    Ok(left(limit)?.min(TICK))
}

/// As `pause`, but the whole time that is left: for a wait that cannot be interrupted.
pub(super) fn left(limit: Option<Instant>) -> Result<Duration, ureq::Error> {
    ask_hook()?;
    let now = Instant::now();
    with(|state| {
        if now >= state.deadline {
            Err(state.stop(Stop::Deadline {
                phase: state.phase,
                after: state.after,
            }))
        } else if limit.is_some_and(|limit| now >= limit) {
            Err(state.stop(Stop::Deadline {
                phase: Phase::Connect,
                after: state.connect_timeout,
            }))
        } else {
            let until = limit.map_or(state.deadline, |limit| limit.min(state.deadline));
            Ok(until.duration_since(now).max(SHORTEST_WAIT))
        }
    })
    .unwrap_or_else(|| {
        // Without a call there is no deadline, and nothing waits without one.
        Err(ureq::Error::Other(
            "no upstream call is under way on this thread".into(),
        ))
    })
}

/// The connector has used up its time.
pub(super) fn connect_timed_out() -> ureq::Error {
    let now = Instant::now();
    with(|state| {
        let after = if now >= state.deadline {
            state.after
        } else {
            state.connect_timeout
        };
        state.stop(Stop::Deadline {
            phase: Phase::Connect,
            after,
        })
    })
    .unwrap_or(ureq::Error::ConnectionFailed)
}

/// The connector was called: whatever fails now is not an old connection's fault.
pub(super) fn note_fresh_connection() {
    with(|state| state.fresh = true);
}

/// There is a connection, and the request is being written to it.
pub(super) fn note_sending() {
    with(|state| {
        if state.phase == Phase::Connect {
            state.phase = Phase::Answer;
        }
    });
}

/// An error if so many bytes have come without a complete head.
pub(super) fn note_received(bytes: usize) -> Result<(), ureq::Error> {
    let too_many = with(|state| {
        state.received = state
            .received
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        !state.has_head && state.received > MAX_BYTES_BEFORE_HEAD
    });
    if too_many.unwrap_or(false) {
        let limit = usize::try_from(MAX_BYTES_BEFORE_HEAD).unwrap_or(usize::MAX);
        return Err(ureq::Error::LargeResponseHeader(limit, limit));
    }
    Ok(())
}

/// An error in one short line for people. It never holds a header or a body.
pub(super) fn describe(error: &ureq::Error) -> String {
    let text = match error {
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the connection was closed".to_owned()
        }
        ureq::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    };
    one_line(&text)
}

/// The beginning of a text, at most `MAX_WHY_CHARS`, runs of white space and control characters made one space each.
pub(super) fn one_line(text: &str) -> String {
    let text = without_signature(text);
    let words = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    let mut line = String::new();
    for (number, word) in words.enumerate() {
        let space = if number == 0 { "" } else { " " };
        line.extend([space, word]);
        if line.len() > MAX_WHY_CHARS {
            return line.chars().take(MAX_WHY_CHARS).collect();
        }
    }
    line
}

fn ask_hook() -> Result<(), ureq::Error> {
    let now = Instant::now();
    // Taken out while it runs, so that the state is not borrowed meanwhile. After a panic it stays out.
    let due = with(|state| (now >= state.ask_at).then(|| state.hook.take()).flatten());
    let Some(mut hook) = due.flatten() else {
        return Ok(());
    };
    let flow = hook();
    let stopped = with(|state| {
        state.hook = Some(hook);
        state.ask_at = now + TICK;
        match flow {
            Flow::Continue => None,
            Flow::Stop => Some(state.stop(Stop::Cancelled)),
        }
    });
    stopped.flatten().map_or(Ok(()), Err)
}

impl State {
    fn stop(&mut self, stop: Stop) -> ureq::Error {
        self.stop = Some(stop);
        // Its kind matters only in so far as ureq hands it through unchanged.
        ureq::Error::Other("the call was stopped".into())
    }
}

fn with<T>(act: impl FnOnce(&mut State) -> T) -> Option<T> {
    CURRENT.with_borrow_mut(|current| current.as_mut().map(act))
}
