//! One upstream call and its answer's way to the client. Up to the commit (the first byte of the answer) a failure hands
//! the exchange back, so that another attempt can answer it; after it the exchange is gone, and no repetition is possible.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::dispatch::slots::Lease;
use crate::dispatch::{CLIENT_LEFT, Job, Seat};
use crate::http::event_stream::EventStream;
use crate::http::exchange::Exchange;
use crate::http::reply::Reply;
use crate::oci::error::OciError;

use crate::oci::{Answer, CallLimits, ChatStream, Flow, Hook, StreamItem, WholeAnswer};
use crate::openai::chat::Usage;
use crate::openai::chunk::ChatChunk;
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
    pub(crate) trouble: Option<String>,
}

/// Nothing has reached the client yet.
pub(crate) struct Failed {
    pub(crate) exchange: Box<Exchange>,
    pub(crate) error: OciError,
}

/// The client's stream, once there is one; the hook writes heartbeats into it while the worker waits upstream.
type Output = Rc<RefCell<Option<EventStream>>>;

pub(crate) fn run(
    seat: &Seat,
    job: &Job,
    exchange: Exchange,
    lease: Lease<'_>,
    limits: &CallLimits,
) -> Result<Finished, Failed> {
    let output = Output::default();
    let hook = hook(exchange.gone(), Rc::clone(&output));
    let answer = match seat.upstream.open(&job.serving, &job.request, limits, hook) {
        Ok(answer) => answer,
        Err(error) => {
            if matches!(&error, OciError::Status(status) if matches!(status.status, 401 | 403)) {
                seat.refused.store(true, Ordering::Relaxed);
            }
            return Err(Failed {
                exchange: Box::new(exchange),
                error,
            });
        }
    };
    seat.refused.store(false, Ordering::Relaxed);
    match answer {
        Answer::Whole(whole) => answer_whole(seat, job, exchange, whole),
        Answer::Stream(stream) if job.wants_stream => Pump {
            seat,
            job,
            stream,
            output,
            lease,
            translator: StreamTranslator::new(job.meta.clone(), job.include_usage, job.choices),
        }
        .run(exchange),
        Answer::Stream(_) => Err(Failed {
            exchange: Box::new(exchange),
            error: OciError::Broken {
                why: "OCI streamed an answer that was asked for whole".to_owned(),
            },
        }),
    }
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
    seat: &Seat,
    job: &Job,
    opc_request_id: Option<&str>,
) -> Vec<(&'static str, String)> {
    let mut headers = vec![("X-Ociai-Account", seat.id.as_str().to_owned())];
    headers.extend(opc_request_id.map(|id| ("Opc-Request-Id", id.to_owned())));
    if !job.lost.is_empty() {
        headers.push(("X-Ociai-Dropped-Params", job.lost.join(", ")));
    }
    headers
}

/// A whole answer, as JSON or, for a client that asked for a stream, as one.
fn answer_whole(
    seat: &Seat,
    job: &Job,
    exchange: Exchange,
    whole: WholeAnswer,
) -> Result<Finished, Failed> {
    let headers = upstream_headers(seat, job, whole.opc_request_id.as_deref());
    let completion = match translate::completion(whole.result, &job.meta) {
        Ok(completion) => completion,
        Err(error) => {
            return Err(Failed {
                exchange: Box::new(exchange),
                error,
            });
        }
    };
    let mut finished = Finished {
        status: 200,
        first_byte: Some(Instant::now()),
        tokens: tokens(completion.usage),
        trouble: None,
    };
    if job.wants_stream {
        let chunks = encode(&translate::completion_as_chunks(
            &completion,
            job.include_usage,
        ));
        let sent = exchange
            .start_stream(&headers)
            .and_then(|stream| stream.finish(&chunks, Instant::now()));
        if sent.is_err() {
            finished.status = CLIENT_LEFT;
        }
        return Ok(finished);
    }
    match serde_json::to_vec(&completion) {
        Ok(body) => {
            let mut reply = Reply::json(200, body);
            reply.headers.extend(headers);
            exchange.respond(&reply);
            Ok(finished)
        }
        Err(error) => Err(Failed {
            exchange: Box::new(exchange),
            error: OciError::Broken {
                why: error.to_string(),
            },
        }),
    }
}

/// An open upstream stream on its way to the client.
struct Pump<'a> {
    seat: &'a Seat,
    job: &'a Job,
    stream: ChatStream,
    output: Output,
    lease: Lease<'a>,
    translator: StreamTranslator,
}

/// What one upstream event, or the stream's end, means for the client.
enum Step {
    Chunks(Vec<ChatChunk>),
    /// The last chunks; the stream is over.
    Last(Vec<ChatChunk>),
}

impl Pump<'_> {
    fn run(mut self, exchange: Exchange) -> Result<Finished, Failed> {
        // An error event that comes first is still an attempt that failed: nothing is committed before a chunk is there.
        let first = loop {
            match self.step() {
                Ok(Step::Chunks(chunks)) if chunks.is_empty() => {}
                Ok(step) => break step,
                Err(error) => {
                    return Err(Failed {
                        exchange: Box::new(exchange),
                        error,
                    });
                }
            }
        };
        let headers = upstream_headers(self.seat, self.job, self.stream.opc_request_id());
        let Ok(stream) = exchange.start_stream(&headers) else {
            return Ok(self.left(None));
        };
        let first_byte = Some(Instant::now());
        *self.output.borrow_mut() = Some(stream);
        let mut step = first;
        loop {
            match step {
                Step::Chunks(chunks) => {
                    if self.send(&chunks).is_err() {
                        return Ok(self.left(first_byte));
                    }
                }
                Step::Last(chunks) => return Ok(self.finish(&chunks, first_byte)),
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

    fn send(&self, chunks: &[ChatChunk]) -> std::io::Result<()> {
        match self.output.borrow_mut().as_mut() {
            Some(stream) => stream.send(&encode(chunks), Instant::now()),
            None => Ok(()),
        }
    }

    /// The stream is whole. The slot is free before the upstream's own end is waited for.
    fn finish(self, chunks: &[ChatChunk], first_byte: Option<Instant>) -> Finished {
        let output = self.output.borrow_mut().take();
        let sent = output.map(|stream| stream.finish(&encode(chunks), Instant::now()));
        let tokens = tokens(self.translator.usage());
        drop(self.lease);
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
            trouble: None,
        }
    }

    /// Upstream failed after the commit: one error event, and the client's connection ends.
    fn fail(self, error: &OciError, first_byte: Option<Instant>) -> Finished {
        if let Some(stream) = self.output.borrow_mut().take() {
            stream.fail(&translate::error(error), Instant::now());
        }
        Finished {
            status: 200,
            first_byte,
            tokens: tokens(self.translator.usage()),
            trouble: Some(format!("broken off: {error}")),
        }
    }

    fn left(self, first_byte: Option<Instant>) -> Finished {
        Finished {
            status: CLIENT_LEFT,
            first_byte,
            tokens: tokens(self.translator.usage()),
            trouble: None,
        }
    }
}

fn encode(chunks: &[ChatChunk]) -> Vec<String> {
    // Chunks are made of strings and numbers, which always serialise.
    chunks
        .iter()
        .filter_map(|chunk| serde_json::to_string(chunk).ok())
        .collect()
}

fn tokens(usage: Option<Usage>) -> Option<(u64, u64)> {
    usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens))
}
