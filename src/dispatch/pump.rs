//! A stream on its way to the client, from its first event to its end, whichever of OCI's APIs it comes from.

use std::time::{Duration, Instant};

use crate::accounts::seat::Ending;
use crate::dispatch::attempt::{
    Failed, Finished, Output, blame, give_up, tokens, upstream_headers,
};
use crate::dispatch::slots::Lease;
use crate::dispatch::{CLIENT_LEFT, Job, problem};
use crate::http::event_stream::{MAX_AGE, text};
use crate::http::exchange::Exchange;
use crate::oci::error::OciError;
use crate::oci::{ChatStream, StreamItem};
use crate::openai::chunk::ChatChunk;
use crate::openai::error::ApiError;
use crate::openai::render::{Event, Render};
use crate::stats::errors::{ErrorType, Problem};
use crate::translate;
use crate::translate::passthrough::Tokens;
use crate::translate::{Progress, StreamTranslator};

/// After the last event OCI may keep the connection open without a word (seen live); then the stream is over all the same.
pub(super) const GRACE: Duration = Duration::from_secs(2);
/// How long a finished stream's own end is waited for, so that its connection can serve again.
pub(super) const DRAIN: Duration = Duration::from_millis(100);

/// What the client gets next of an answer.
pub(super) enum Step {
    /// Text of the client's stream; empty if there is nothing for it.
    Piece(Vec<u8>),
    /// The last of it; the stream is over.
    Last(Vec<u8>),
    /// The last of it, which tells the client itself that the answer has failed.
    Failed(Vec<u8>, OciError),
}

/// An open upstream stream, put into the client's words.
pub(super) trait Source {
    /// The next event, or those that came together, or the end. Errors: of the call, or what the events say; what came before it
    /// was handed out.
    fn step(&mut self, render: &mut dyn Render) -> Result<Step, OciError>;

    /// What has come means something.
    fn begun(&mut self);

    fn opc_request_id(&self) -> Option<&str>;

    /// What was said of them.
    fn tokens(&self) -> Option<Tokens>;

    /// After the end: so that the connection can serve again.
    fn drain(self);
}

/// A stream of the native API's events.
pub(super) struct Translated {
    stream: ChatStream,
    translator: StreamTranslator,
}

impl Translated {
    pub(super) fn new(job: &Job, stream: ChatStream) -> Self {
        Self {
            stream,
            translator: StreamTranslator::new(job.meta.clone(), job.include_usage, job.choices),
        }
    }

    fn finish(
        &mut self,
        mut chunks: Vec<ChatChunk>,
        render: &mut dyn Render,
    ) -> Result<Step, OciError> {
        chunks.extend(self.translator.finish()?);
        let mut events = render.chunks(chunks);
        events.extend(render.end());
        Ok(Step::Last(text(&events)))
    }
}

impl Source for Translated {
    fn step(&mut self, render: &mut dyn Render) -> Result<Step, OciError> {
        let StreamItem::Event(event) = self.stream.next()? else {
            return self.finish(Vec::new(), render);
        };
        let chunks = self.translator.push(&event)?;
        match self.translator.progress() {
            Progress::Open => {}
            Progress::Finished => self.stream.expect_end_within(GRACE),
            Progress::Complete => return self.finish(chunks, render),
        }
        Ok(Step::Piece(text(&render.chunks(chunks))))
    }

    fn begun(&mut self) {
        self.stream.begun();
    }

    fn opc_request_id(&self) -> Option<&str> {
        self.stream.opc_request_id()
    }

    fn tokens(&self) -> Option<Tokens> {
        tokens(self.translator.usage())
    }

    fn drain(self) {
        self.stream.drain(DRAIN);
    }
}

/// Brings the answer to the client.
pub(super) fn run<S: Source>(
    job: &mut Job,
    source: S,
    output: Output,
    lease: Lease<'_>,
    started: Instant,
    exchange: Exchange,
    accepted: impl FnOnce(),
) -> Result<Finished, Failed> {
    let pump = Pump {
        job,
        source,
        output,
        lease,
        started,
        latency: started.elapsed(),
    };
    pump.run(exchange, accepted)
}

/// An open upstream stream on its way to the client.
struct Pump<'a, S> {
    job: &'a mut Job,
    source: S,
    output: Output,
    lease: Lease<'a>,
    started: Instant,
    /// To the first event that says something.
    latency: Duration,
}

impl<S: Source> Pump<'_, S> {
    #[inline(never)]
    fn run(mut self, exchange: Exchange, accepted: impl FnOnce()) -> Result<Finished, Failed> {
        // An error event that comes first is still an attempt that failed: nothing is committed before a chunk is there.
        let first = loop {
            match self.step() {
                Ok(Step::Piece(piece)) if piece.is_empty() => {}
                Ok(step) => break step,
                Err(error) => return Err(give_up(exchange, self.lease, error)),
            }
        };
        accepted();
        self.source.begun();
        self.job.is_answered();
        self.latency = self.started.elapsed();
        self.lease.answered();
        let account = self.lease.account();
        let headers = upstream_headers(account, self.job, self.source.opc_request_id());
        let Ok(stream) = exchange.start_stream(&headers) else {
            return Ok(self.left(None));
        };
        let first_byte = Some(Instant::now());
        *self.output.borrow_mut() = Some(stream);
        let mut step = first;
        loop {
            match step {
                Step::Piece(piece) => {
                    if self.send(&piece).is_err() {
                        return Ok(self.left(first_byte));
                    }
                }
                Step::Last(piece) => return Ok(self.finish(&piece, first_byte)),
                Step::Failed(piece, error) => {
                    if self.send(&piece).is_err() {
                        return Ok(self.left(first_byte));
                    }
                    return Ok(self.fail(&error, &[], first_byte));
                }
            }
            step = match self.step() {
                Ok(step) => step,
                Err(OciError::Cancelled) => return Ok(self.left(first_byte)),
                Err(error) => {
                    let told = self.job.render.error(&translate::error(&error));
                    return Ok(self.fail(&error, &told, first_byte));
                }
            };
        }
    }

    fn step(&mut self) -> Result<Step, OciError> {
        self.source.step(self.job.render.as_mut())
    }

    fn send(&mut self, piece: &[u8]) -> std::io::Result<()> {
        match self.output.borrow_mut().as_mut() {
            Some(stream) => stream.send(piece, Instant::now()),
            None => Ok(()),
        }
    }

    /// The stream is whole. The slot is free before the upstream's own end is waited for.
    fn finish(self, piece: &[u8], first_byte: Option<Instant>) -> Finished {
        let output = self.output.borrow_mut().take();
        let sent = output.map(|stream| stream.finish(piece, Instant::now()));
        let tokens = self.source.tokens();
        let latency = self.latency;
        self.lease.settle(Ending::Success { latency }, None);
        self.source.drain();
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

    /// Upstream failed after the commit: the client is told, and its connection ends.
    fn fail(self, error: &OciError, told: &[Event], first_byte: Option<Instant>) -> Finished {
        if let Some(stream) = self.output.borrow_mut().take() {
            stream.fail(told, Instant::now());
        }
        let finished = Finished {
            status: 200,
            first_byte,
            tokens: self.source.tokens(),
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
            tokens: self.source.tokens(),
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
