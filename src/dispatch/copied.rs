//! An answer of OCI's OpenAI-compatible API: its bytes are the client's. It is watched on its way; a stream loses the usage that the
//! client has not asked for, and gets the end that it lacks.

use crate::dispatch::Job;
use crate::dispatch::attempt::Encoded;
use crate::dispatch::pump::{DRAIN, GRACE, Source, Step};
use crate::http::event_stream::text;
use crate::oci::blocks::{Block, Blocks};
use crate::oci::error::OciError;
use crate::oci::{ChatStream, StreamItem};
use crate::openai::render::{Event, Render};
use crate::translate::Progress;
use crate::translate::passthrough::{Action, Seen, Tokens, Watch};

/// What is kept of remarks before the first piece of the answer, bytes. What comes beyond says nothing that a client would miss.
const MAX_HELD_BYTES: usize = 64 * 1024;

/// A stream of chunks that are the client's.
pub(super) struct CopiedStream {
    stream: ChatStream<Blocks>,
    watch: Watch,
    /// Nothing is sent before it: it may be an error that comes first.
    has_answer: bool,
    /// What came before it.
    held: Vec<u8>,
    /// Of an event behind others that are to be sent first.
    failure: Option<OciError>,
}

/// How it goes on behind a block.
enum Taken {
    More,
    Last,
    /// The block says that the answer has failed.
    Failed(OciError),
}

impl CopiedStream {
    pub(super) fn new(job: &Job, action: Action, stream: ChatStream<Blocks>) -> Self {
        Self {
            stream,
            watch: Watch::new(action, job.include_usage, job.choices),
            has_answer: false,
            held: Vec::new(),
            failure: None,
        }
    }

    fn take(&mut self, block: &Block) -> Result<Taken, OciError> {
        let seen = match block.data() {
            Some(data) => self.watch.see(data)?,
            None => Seen::Remark,
        };
        if seen == Seen::Ours {
            return Ok(Taken::More);
        }
        self.has_answer |= seen == Seen::Answer;
        if self.has_answer || self.held.len() + block.bytes.len() <= MAX_HELD_BYTES {
            self.held.extend_from_slice(&block.bytes);
        }
        Ok(match seen {
            Seen::Answer | Seen::Remark | Seen::Ours => Taken::More,
            Seen::Done => Taken::Last,
            Seen::Failed(error) => Taken::Failed(error),
        })
    }

    /// What may be sent.
    fn piece(&mut self) -> Vec<u8> {
        if self.has_answer {
            std::mem::take(&mut self.held)
        } else {
            Vec::new()
        }
    }
}

impl CopiedStream {
    fn next(&mut self, render: &mut dyn Render) -> Result<Step, OciError> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let StreamItem::Event(mut block) = self.stream.next()? else {
            self.watch.end()?;
            let mut piece = self.piece();
            if self.watch.has_closing_event() {
                piece.extend(text(&render.end()));
            }
            return Ok(Step::Last(piece));
        };
        // What arrived together leaves together.
        loop {
            let taken = self.take(&block);
            let next = match taken {
                Ok(Taken::Last) => return Ok(Step::Last(self.piece())),
                Ok(Taken::Failed(error)) => return Ok(Step::Failed(self.piece(), error)),
                Ok(Taken::More) => self.stream.ready(),
                Err(error) => Err(error),
            };
            block = match next {
                Ok(Some(block)) => block,
                Ok(None) => break,
                Err(error) => {
                    let piece = self.piece();
                    if piece.is_empty() {
                        return Err(error);
                    }
                    self.failure = Some(error);
                    return Ok(Step::Piece(piece));
                }
            };
        }
        match self.watch.progress() {
            Progress::Open => {}
            Progress::Finished => self.stream.expect_end_within(GRACE),
            // Only its own end is to come, which has most often come already.
            Progress::Complete => self.stream.expect_end_within(DRAIN),
        }
        Ok(Step::Piece(self.piece()))
    }
}

impl Source for CopiedStream {
    fn step(&mut self, render: &mut dyn Render) -> Result<Step, OciError> {
        let step = self.next(render);
        if let Some(begun) = self.watch.begun() {
            render.copied(begun);
        }
        step
    }

    fn begun(&mut self) {
        self.stream.begun();
    }

    fn opc_request_id(&self) -> Option<&str> {
        self.stream.opc_request_id()
    }

    fn tokens(&self) -> Option<Tokens> {
        self.watch.tokens()
    }

    fn drain(self) {
        self.stream.drain(DRAIN);
    }
}

/// A whole answer as it came; for a client that asked for a stream, as one.
pub(super) fn whole(
    job: &mut Job,
    action: Action,
    body: Vec<u8>,
) -> Result<(Option<Tokens>, Encoded), OciError> {
    let tokens = action.whole(&body)?;
    if !job.wants_stream {
        return Ok((tokens, Encoded::Json(body)));
    }
    let chunks = action.as_stream(&body, job.include_usage)?;
    let mut events: Vec<_> = chunks.into_iter().map(Event::data).collect();
    events.extend(job.render.end());
    Ok((tokens, Encoded::Events(events)))
}
