//! One upstream call and the way of a whole answer to the client; that of a stream is [`pump`]'s. Up to the commit (the first byte of the answer) a failure hands
//! the exchange back, so that another attempt can answer it; after it the exchange is gone, and no repetition is possible.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::accounts::seat::Ending;
use crate::dispatch::copied::{self, CopiedStream};
use crate::dispatch::pump::{self, Translated};
use crate::dispatch::request::Answered;
use crate::dispatch::slots::Lease;
use crate::dispatch::verdict::{self, Next, Verdict};
use crate::dispatch::{Account, CLIENT_LEFT, Dispatch, Job};
use crate::http::event_stream::{EventStream, text};
use crate::http::exchange::Exchange;
use crate::http::reply::Reply;
use crate::oci::error::OciError;
use crate::oci::wire::ChatResult;
use crate::oci::{Answer, CallLimits, Flow, Hook};
use crate::openai::chat::{ChatCompletion, Usage};
use crate::openai::render::Event;
use crate::stats::errors::{Problem, UpstreamError};
use crate::translate;
use crate::translate::passthrough::Tokens;

/// After this much silence in an open stream the client gets an SSE comment.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The client has its answer, or has left.
pub(crate) struct Finished {
    pub(crate) status: u16,
    pub(crate) first_byte: Option<Instant>,
    /// Prompt and completion tokens.
    pub(crate) tokens: Option<Tokens>,
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
pub(super) type Output = Rc<RefCell<Option<EventStream>>>;

/// `accepted` is called when the answer is there and before the client has any of it: what the request has taught is known
/// when the client's next one comes.
pub(crate) fn run(
    dispatch: &Dispatch,
    job: &mut Job,
    exchange: Exchange,
    lease: Lease<'_>,
    limits: &CallLimits,
    accepted: impl FnOnce(),
) -> Result<Finished, Failed> {
    let started = Instant::now();
    let output = Output::default();
    let hook = || hook(exchange.gone(), Rc::clone(&output));
    let answer = dispatch.call(job, lease.account(), limits, hook);
    match answer {
        Err(error) if job.request.is_doubtful() => {
            let verdict = verdict::judge_doubtful(&error);
            Err(fail(exchange, lease, error, verdict))
        }
        Err(error) => Err(give_up(exchange, lease, error)),
        Ok(Answered::Native(Answer::Whole(answer))) => {
            let encoded = translated_whole(job, answer.result);
            let id = answer.opc_request_id;
            answer_whole(job, exchange, lease, encoded, id, started, accepted)
        }
        Ok(Answered::Copied(action, Answer::Whole(answer))) => {
            let encoded = copied::whole(job, action, answer.result);
            let id = answer.opc_request_id;
            answer_whole(job, exchange, lease, encoded, id, started, accepted)
        }
        Ok(Answered::Native(Answer::Stream(stream))) if job.wants_stream => {
            let source = Translated::new(job, stream);
            pump::run(job, source, output, lease, started, exchange, accepted)
        }
        Ok(Answered::Copied(action, Answer::Stream(stream))) if job.wants_stream => {
            let source = CopiedStream::new(job, action, stream);
            pump::run(job, source, output, lease, started, exchange, accepted)
        }
        Ok(Answered::Native(Answer::Stream(_)) | Answered::Copied(_, Answer::Stream(_))) => {
            let why = "OCI streamed an answer that was asked for whole".to_owned();
            Err(give_up(exchange, lease, OciError::Broken { why }))
        }
    }
}

/// The attempt has failed before anything reached the client.
pub(super) fn give_up(exchange: Exchange, lease: Lease<'_>, error: OciError) -> Failed {
    let verdict = verdict::judge(&error);
    fail(exchange, lease, error, verdict)
}

fn fail(exchange: Exchange, lease: Lease<'_>, error: OciError, verdict: Verdict) -> Failed {
    settle(lease, &error, verdict);
    Failed {
        exchange: Box::new(exchange),
        error,
        next: verdict.next,
    }
}

/// Frees the slot and tells the fleet what the error says about the account.
pub(super) fn blame(lease: Lease<'_>, error: &OciError) {
    settle(lease, error, verdict::judge(error));
}

fn settle(lease: Lease<'_>, error: &OciError, verdict: Verdict) {
    // What the request or its client did is no news of the account.
    let why = (verdict.ending != Ending::Unknown).then(|| error.to_string());
    lease.settle(verdict.ending, why);
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

pub(super) fn upstream_headers(
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
    encoded: Result<(Option<Tokens>, Encoded), OciError>,
    opc_request_id: Option<String>,
    started: Instant,
    accepted: impl FnOnce(),
) -> Result<Finished, Failed> {
    let (tokens, body) = match encoded {
        Ok(encoded) => encoded,
        Err(error) => return Err(give_up(exchange, lease, error)),
    };
    let headers = upstream_headers(lease.account(), job, opc_request_id.as_deref());
    accepted();
    let latency = started.elapsed();
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
                .and_then(|stream| stream.finish(&text(&events), Instant::now()));
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

fn translated_whole(
    job: &mut Job,
    result: ChatResult,
) -> Result<(Option<Tokens>, Encoded), OciError> {
    let completion = translate::completion(result, &job.meta)?;
    let tokens = tokens(completion.usage);
    Ok((tokens, encode_whole(job, completion)?))
}

/// A whole answer in the form that the client asked for.
pub(super) enum Encoded {
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

pub(super) fn tokens(usage: Option<Usage>) -> Option<Tokens> {
    usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens))
}
