//! One upstream call and its answer's way to the client. Up to the commit (the first byte of the answer) a failure hands
//! the exchange back, so that another attempt can answer it; after it the exchange is gone, and no repetition is possible.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::accounts::seat::Ending;
use crate::dispatch::slots::Lease;
use crate::dispatch::verdict::{self, Next};
use crate::dispatch::{Account, CLIENT_LEFT, Job, problem};
use crate::http::event_stream::{EventStream, MAX_AGE};
use crate::http::exchange::Exchange;
use crate::http::reply::Reply;
use crate::oci::error::OciError;

use crate::oci::{Answer, CallLimits, ChatStream, Flow, Hook, StreamItem, WholeAnswer};
use crate::openai::chat::{ChatCompletion, Usage};
use crate::openai::chunk::ChatChunk;
use crate::openai::error::ApiError;
use crate::openai::render::Event;
use crate::stats::errors::{ErrorType, Problem, UpstreamError};
use crate::translate;
use crate::translate::{Progress, StreamTranslator};

/// After this much silence in an open stream the client gets an SSE comment.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// After the last event OCI may keep the connection open without a word (seen live); then the stream is over all the same.
const GRACE: Duration = Duration::from_secs(2);
/// How long a finished stream's own end is waited for, so that its connection can serve again.
const DRAIN: Duration = Duration::from_millis(100);

/// The client has its answer, or has left.
pub(crate) struct Finished {
    pub(crate) status: u16,
    pub(crate) first_byte: Option<Instant>,
    /// Prompt and completion tokens.
    pub(crate) tokens: Option<(u64, u64)>,
    /// Of a stream that was broken off.
    pub(crate) problem: Option<Problem>,
    /// How the call failed after its answer had begun.
    pub(crate) upstream: Option<UpstreamError>,
}

/// How an attempt went well.
pub(crate) enum Done {
    Finished(Finished),
    /// The client has nothing yet: its request takes another call. With the tokens of the calls so far, if OCI said.
    GoesOn(Box<Exchange>, Option<(u64, u64)>),
}

/// Nothing has reached the client yet.
pub(crate) struct Failed {
    pub(crate) exchange: Box<Exchange>,
    pub(crate) error: OciError,
    /// What may be done about it. The account's slot is free again.
    pub(crate) next: Next,
}

/// The client's stream, once there is one; the hook writes heartbeats into it while the worker waits upstream.
type Output = Rc<RefCell<Option<EventStream>>>;

/// `accepted` is called when the answer is there and before the client has any of it: what the request has taught is known
/// when the client's next one comes.
pub(crate) fn run(
    job: &mut Job,
    exchange: Exchange,
    lease: Lease<'_>,
    limits: &CallLimits,
    accepted: impl FnOnce(),
) -> Result<Finished, Failed> {
    let started = Instant::now();
    let output = Output::default();
    let hook = hook(exchange.gone(), Rc::clone(&output));
    let answer = lease
        .account()
        .call(&job.serving, &job.request, limits, hook);
    match answer {
        Err(error) => Err(give_up(exchange, lease, error)),
        Ok(Answer::Whole(whole)) => {
            let accepted = || {
                accepted();
                started.elapsed()
            };
            answer_whole(job, exchange, lease, whole, accepted)
        }
        Ok(Answer::Stream(stream)) if job.wants_stream => {
            let translator =
                StreamTranslator::new(job.meta.clone(), job.include_usage, job.choices);
            let pump = Pump {
                job,
                stream,
                output,
                lease,
                started,
                latency: started.elapsed(),
                translator,
            };
            pump.run(exchange, accepted)
        }
        Ok(Answer::Stream(_)) => {
            let why = "OCI streamed an answer that was asked for whole".to_owned();
            Err(give_up(exchange, lease, OciError::Broken { why }))
        }
    }
}

/// The attempt has failed before anything reached the client.
pub(super) fn give_up(exchange: Exchange, lease: Lease<'_>, error: OciError) -> Failed {
    let next = blame(lease, &error);
    Failed {
        exchange: Box::new(exchange),
        error,
        next,
    }
}

/// Frees the slot and tells the fleet what the error says about the account.
fn blame(lease: Lease<'_>, error: &OciError) -> Next {
    let verdict = verdict::judge(error);
    // What the request or its client did is no news of the account.
    let why = (verdict.ending != Ending::Unknown).then(|| error.to_string());
    lease.settle(verdict.ending, why);
    verdict.next
}

/// Asked every tick: has the client left, and is it time for a heartbeat?
fn hook(gone: impl Fn() -> bool + 'static, output: Output) -> Hook {
    Box::new(move || {
        if gone() {
            return Flow::Stop;
        }
        let Ok(mut output) = output.try_borrow_mut() else {
            return Flow::Continue;
        };
        match output
            .as_mut()
            .map(|stream| stream.keep_alive(HEARTBEAT, Instant::now()))
        {
            Some(Err(_)) => Flow::Stop,
            Some(Ok(())) | None => Flow::Continue,
        }
    })
}

fn upstream_headers(
    account: &Account,
    job: &Job,
    opc_request_id: Option<&str>,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![("X-Ociai-Account", account.id.as_str().to_owned())];
    headers.extend(opc_request_id.map(|id| ("Opc-Request-Id", id.to_owned())));
    if !job.lost.is_empty() {
        headers.push(("X-Ociai-Dropped-Params", job.lost.join(", ")));
    }
    headers
}

/// A whole answer, as JSON or, for a client that asked for a stream, as one. The slot is free before the client reads it.
#[inline(never)]
fn answer_whole(
    job: &mut Job,
    exchange: Exchange,
    lease: Lease<'_>,
    whole: WholeAnswer,
    accepted: impl FnOnce() -> Duration,
) -> Result<Finished, Failed> {
    let headers = upstream_headers(lease.account(), job, whole.opc_request_id.as_deref());
    let encoded = translate::completion(whole.result, &job.meta).and_then(|completion| {
        let tokens = tokens(completion.usage);
        Ok((tokens, encode_whole(job, completion)?))
    });
    let (tokens, body) = match encoded {
        Ok(encoded) => encoded,
        Err(error) => return Err(give_up(exchange, lease, error)),
    };
    let latency = accepted();
    job.is_answered();
    lease.settle(Ending::Success { latency }, None);
    let mut finished = Finished {
        status: 200,
        first_byte: Some(Instant::now()),
        tokens,
        problem: None,
        upstream: None,
    };
    match body {
        Encoded::Events(events) => {
            let sent = exchange
                .start_stream(&headers)
                .and_then(|stream| stream.finish(&events, Instant::now()));
            if sent.is_err() {
                finished.status = CLIENT_LEFT;
            }
        }
        Encoded::Json(body) => {
            let mut reply = Reply::json(200, body);
            reply.headers.extend(headers);
            exchange.respond(&reply);
        }
    }
    Ok(finished)
}

/// A whole answer in the form that the client asked for.
enum Encoded {
    Json(Vec<u8>),
    Events(Vec<Event>),
}

fn encode_whole(job: &mut Job, completion: ChatCompletion) -> Result<Encoded, OciError> {
    if job.wants_stream {
        let chunks = translate::completion_as_chunks(&completion, job.include_usage);
        let mut events = job.render.chunks(chunks);
        events.extend(job.render.end());
        return Ok(Encoded::Events(events));
    }
    let body = job.render.whole(completion);
    body.map(Encoded::Json).map_err(|error| OciError::Broken {
        why: error.to_string(),
    })
}

/// An open upstream stream on its way to the client.
struct Pump<'a> {
    job: &'a mut Job,
    stream: ChatStream,
    output: Output,
    lease: Lease<'a>,
    started: Instant,
    /// To the first event that says something.
    latency: Duration,
    translator: StreamTranslator,
}

/// What one upstream event, or the stream's end, means for the client.
enum Step {
    Chunks(Vec<ChatChunk>),
    /// The last chunks; the stream is over.
    Last(Vec<ChatChunk>),
}

impl Pump<'_> {
    #[inline(never)]
    fn run(mut self, exchange: Exchange, accepted: impl FnOnce()) -> Result<Finished, Failed> {
        // An error event that comes first is still an attempt that failed: nothing is committed before a chunk is there.
        let first = loop {
            match self.step() {
                Ok(Step::Chunks(chunks)) if chunks.is_empty() => {}
                Ok(step) => break step,
                Err(error) => return Err(give_up(exchange, self.lease, error)),
            }
        };
        accepted();
        self.stream.begun();
        self.job.is_answered();
        self.latency = self.started.elapsed();
        self.lease.answered();
        let account = self.lease.account();
        let headers = upstream_headers(account, self.job, self.stream.opc_request_id());
        let Ok(stream) = exchange.start_stream(&headers) else {
            return Ok(self.left(None));
        };
        let first_byte = Some(Instant::now());
        *self.output.borrow_mut() = Some(stream);
        let mut step = first;
        loop {
            match step {
                Step::Chunks(chunks) => {
                    if self.send(chunks).is_err() {
                        return Ok(self.left(first_byte));
                    }
                }
                Step::Last(chunks) => return Ok(self.finish(chunks, first_byte)),
            }
            step = match self.step() {
                Ok(step) => step,
                Err(OciError::Cancelled) => return Ok(self.left(first_byte)),
                Err(error) => return Ok(self.fail(&error, first_byte)),
            };
        }
    }

    fn step(&mut self) -> Result<Step, OciError> {
        let StreamItem::Event(event) = self.stream.next()? else {
            return self.translator.finish().map(Step::Last);
        };
        let mut chunks = self.translator.push(&event)?;
        match self.translator.progress() {
            Progress::Open => Ok(Step::Chunks(chunks)),
            Progress::Finished => {
                self.stream.expect_end_within(GRACE);
                Ok(Step::Chunks(chunks))
            }
            Progress::Complete => {
                chunks.extend(self.translator.finish()?);
                Ok(Step::Last(chunks))
            }
        }
    }

    fn send(&mut self, chunks: Vec<ChatChunk>) -> std::io::Result<()> {
        let events = self.job.render.chunks(chunks);
        match self.output.borrow_mut().as_mut() {
            Some(stream) => stream.send(&events, Instant::now()),
            None => Ok(()),
        }
    }

    /// The stream is whole. The slot is free before the upstream's own end is waited for.
    fn finish(self, chunks: Vec<ChatChunk>, first_byte: Option<Instant>) -> Finished {
        let mut events = self.job.render.chunks(chunks);
        events.extend(self.job.render.end());
        let output = self.output.borrow_mut().take();
        let sent = output.map(|stream| stream.finish(&events, Instant::now()));
        let tokens = tokens(self.translator.usage());
        let latency = self.latency;
        self.lease.settle(Ending::Success { latency }, None);
        self.stream.drain(DRAIN);
        let status = if matches!(sent, Some(Ok(()))) {
            200
        } else {
            CLIENT_LEFT
        };
        Finished {
            status,
            first_byte,
            tokens,
            problem: None,
            upstream: None,
        }
    }

    /// Upstream failed after the commit: one error event, and the client's connection ends.
    fn fail(self, error: &OciError, first_byte: Option<Instant>) -> Finished {
        if let Some(stream) = self.output.borrow_mut().take() {
            let told = self.job.render.error(&translate::error(error));
            stream.fail(&told, Instant::now());
        }
        let finished = Finished {
            status: 200,
            first_byte,
            tokens: tokens(self.translator.usage()),
            problem: Some(problem::of_broken_stream(error)),
            upstream: problem::class(error),
        };
        blame(self.lease, error);
        finished
    }

    /// The client left, or its stream has become too old, which it is told: nobody is to blame.
    fn left(self, first_byte: Option<Instant>) -> Finished {
        let (output, now) = (self.output.borrow_mut().take(), Instant::now());
        let problem = output.and_then(|stream| {
            stream.is_too_old(now).then(|| {
                let error = ApiError::stream_too_long(MAX_AGE);
                stream.fail(&self.job.render.error(&error), now);
                too_long()
            })
        });
        Finished {
            status: problem.as_ref().map_or(CLIENT_LEFT, |_| 200),
            first_byte,
            tokens: tokens(self.translator.usage()),
            problem,
            upstream: None,
        }
    }
}

/// Nobody's fault: the answer was ended for its age.
fn too_long() -> Problem {
    let kind = ErrorType::StreamTooLong;
    let message = format!("broken off: it lasted longer than {} s", MAX_AGE.as_secs());
    Problem {
        kind,
        status: 504,
        code: Some(kind.as_str().to_owned()),
        message,
        hint: kind.hint(),
        opc_request_id: None,
    }
}

fn tokens(usage: Option<Usage>) -> Option<(u64, u64)> {
    usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens))
}
