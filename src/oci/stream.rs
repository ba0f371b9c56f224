//! A stream of events as the worker reads it: the next event, or the end. Decides when waiting is over; never what an
//! event means, except that `[DONE]` is none. Source: reference §6.

use std::fmt;
use std::time::{Duration, Instant};

use super::answer::Incoming;
use super::blocks::{Block, Blocks};
use super::call::one_line;
use super::error::{OciError, Phase};
use super::sse::{DecodeError, Decoder};

/// The largest stream. A model's longest answer is a few megabytes, a tenth of it text and the rest padding and JSON.
pub(crate) const MAX_STREAM_BYTES: u64 = 256 * 1024 * 1024;

/// One `read`: a few events. What has come beyond waits in the connection's own buffer.
const READ_BYTES: usize = 4 * 1024;

/// What is read after the end to get a connection back into the pool: two chunk sizes and two line feeds are usual.
const MAX_DRAINED_BYTES: usize = 64 * 1024;

/// Some models' last event. Source: reference §6.2, item 5.
const DONE: &str = "[DONE]";

/// From bytes to events.
pub(crate) trait Decode: Default {
    type Event;

    fn push(&mut self, bytes: &[u8]);

    /// The input has ended.
    fn finish(&mut self);

    /// `None`: more bytes are needed. An error comes after all events before it, and stays.
    fn next(&mut self) -> Result<Option<Self::Event>, DecodeError>;

    /// Whether the event is the stream's end and no event.
    fn is_end(event: &Self::Event) -> bool;

    /// Whether it only says that the connection lives.
    fn is_comment(event: &Self::Event) -> bool;
}

impl Decode for Decoder {
    type Event = String;

    fn push(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }

    fn finish(&mut self) {
        self.finish();
    }

    fn next(&mut self) -> Result<Option<String>, DecodeError> {
        self.next()
    }

    fn is_end(event: &String) -> bool {
        event.trim_ascii() == DONE
    }

    fn is_comment(_event: &String) -> bool {
        false
    }
}

impl Decode for Blocks {
    type Event = Block;

    fn push(&mut self, bytes: &[u8]) {
        self.push(bytes);
    }

    fn finish(&mut self) {
        self.finish();
    }

    fn next(&mut self) -> Result<Option<Block>, DecodeError> {
        self.next()
    }

    /// Who copies the stream copies its end, too.
    fn is_end(_event: &Block) -> bool {
        false
    }

    fn is_comment(event: &Block) -> bool {
        event.data().is_none()
    }
}

/// An open stream, with the connection it comes on. It stays on the thread that opened it, and that thread can open no
/// other meanwhile. Dropping it at any time is quick: what is unread is not waited for, the connection is closed.
pub(crate) struct ChatStream<D: Decode = Decoder> {
    decoder: D,
    incoming: Box<Incoming>,
    buffer: Box<[u8]>,
    /// The event that came before the stream was handed out.
    first: Option<D::Event>,
    opc_request_id: Option<String>,
    idle: Duration,
    /// What has come means something: from now on only silence ends it.
    has_begun: bool,
    /// The answer is complete in substance; what may still follow is waited for this long.
    ends_within: Option<Duration>,
    received: u64,
    /// The body has ended properly.
    at_end: bool,
    /// How it ended, once it did: `next` says the same from then on.
    outcome: Option<Result<(), OciError>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StreamItem<E = String> {
    /// One event. Its payload if that is all there is of it: never empty and never `[DONE]`.
    Event(E),
    /// `[DONE]` where it is no event, the end of the body, or silence after `expect_end_within`. Whether it came too early, only the
    /// content of the events can tell.
    End,
}

impl<D: Decode> ChatStream<D> {
    /// Waits for the first event, until the call's deadline as it stands. `beginning`: what was read already. `idle`:
    /// the longest silence from then on. A stream that ends without any event is an error.
    pub(super) fn start(
        incoming: Incoming,
        beginning: &[u8],
        opc_request_id: Option<String>,
        idle: Duration,
    ) -> Result<Self, OciError> {
        let mut stream = Self {
            decoder: D::default(),
            incoming: Box::new(incoming),
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
            first: None,
            opc_request_id,
            idle,
            has_begun: false,
            ends_within: None,
            received: 0,
            at_end: false,
            outcome: None,
        };
        stream.take(beginning);
        loop {
            if let Some(item) = stream.decoded()? {
                let StreamItem::Event(event) = item else {
                    let why = "the stream ended without an event".to_owned();
                    return Err(OciError::Broken { why });
                };
                stream.first = Some(event);
                return Ok(stream);
            }
            stream.read()?;
        }
    }

    pub(crate) fn opc_request_id(&self) -> Option<&str> {
        self.opc_request_id.as_deref()
    }

    /// An event that means something has come. Until this is said the call's deadline holds: a stream of events that mean
    /// nothing is no answer.
    pub(crate) fn begun(&mut self) {
        self.has_begun = true;
        self.incoming.call.set_phase(Phase::Body);
    }

    /// The next event or the end. Once it has `begun`, waits at most the idle limit since bytes last came; any byte is a sign
    /// of life, a comment too. Errors: `Timeout`, `Broken`, `Cancelled`. After the end or an error it says the same again.
    pub(crate) fn next(&mut self) -> Result<StreamItem<D::Event>, OciError> {
        if let Some(first) = self.first.take() {
            return Ok(StreamItem::Event(first));
        }
        if let Some(outcome) = &self.outcome {
            return outcome.clone().map(|()| StreamItem::End);
        }
        let item = self.wait();
        match &item {
            Ok(StreamItem::Event(_)) => {}
            Ok(StreamItem::End) => self.outcome = Some(Ok(())),
            Err(error) => self.outcome = Some(Err(error.clone())),
        }
        item
    }

    /// All that matters has come. From now on silence for `limit` is the end, and so is a connection that breaks:
    /// OCI has been seen to leave it open without a word. Comments do not prolong this.
    pub(crate) fn expect_end_within(&mut self, limit: Duration) {
        self.ends_within = Some(limit);
    }

    /// After the end: reads what is left of the body, for at most this long, so that the connection can serve another
    /// call. For a moment when no client waits: the hook is not asked any more.
    pub(crate) fn drain(mut self, at_most: Duration) {
        self.incoming.call.forget_hook();
        // Something that has arrived already is read even with a limit of zero.
        let at_most = at_most.max(Duration::from_millis(1));
        self.set_deadline(at_most);
        let mut drained = 0;
        while drained <= MAX_DRAINED_BYTES {
            match self.incoming.read(&mut self.buffer) {
                Ok(0) | Err(_) => return,
                Ok(count) => drained += count,
            }
        }
    }

    /// An event that has arrived with the one before it. Errors: as of [`Self::next`], which says them again.
    pub(crate) fn ready(&mut self) -> Result<Option<D::Event>, OciError> {
        if self.first.is_some() || self.outcome.is_some() {
            return Ok(None);
        }
        self.decoder.next().map_err(broken)
    }

    fn wait(&mut self) -> Result<StreamItem<D::Event>, OciError> {
        // After the end is expected, only an event starts the clock anew: the next call of this function.
        if let Some(limit) = self.ends_within {
            self.set_deadline(limit);
        }
        loop {
            match self.decoded()? {
                // It would begin the wait anew.
                Some(StreamItem::Event(event))
                    if self.ends_within.is_some() && D::is_comment(&event) =>
                {
                    continue;
                }
                Some(item) => return Ok(item),
                None => {}
            }
            if self.has_begun && self.ends_within.is_none() {
                self.set_deadline(self.idle);
            }
            match self.read() {
                Ok(()) => {}
                Err(OciError::Timeout { .. } | OciError::Broken { .. })
                    if self.ends_within.is_some() =>
                {
                    return Ok(StreamItem::End);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What can be said without more bytes.
    fn decoded(&mut self) -> Result<Option<StreamItem<D::Event>>, OciError> {
        match self.decoder.next() {
            Ok(Some(event)) if D::is_end(&event) => Ok(Some(StreamItem::End)),
            Ok(Some(event)) => Ok(Some(StreamItem::Event(event))),
            Ok(None) => Ok(self.at_end.then_some(StreamItem::End)),
            Err(error) => Err(broken(error)),
        }
    }

    fn read(&mut self) -> Result<(), OciError> {
        let count = self.incoming.read(&mut self.buffer)?;
        self.received += u64::try_from(count).unwrap_or(u64::MAX);
        if self.received > MAX_STREAM_BYTES {
            let why = format!("the stream is over {MAX_STREAM_BYTES} bytes");
            return Err(OciError::Broken { why });
        }
        if count == 0 {
            self.at_end = true;
            self.decoder.finish();
        } else {
            self.decoder
                .push(self.buffer.get(..count).unwrap_or_default());
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        self.received += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.decoder.push(bytes);
    }

    fn set_deadline(&self, limit: Duration) {
        self.incoming
            .call
            .set_deadline(Instant::now() + limit, limit);
    }
}

fn broken(error: DecodeError) -> OciError {
    OciError::Broken {
        why: one_line(&error.to_string()),
    }
}

impl<D: Decode> fmt::Debug for ChatStream<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatStream")
            .field("opc_request_id", &self.opc_request_id)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
