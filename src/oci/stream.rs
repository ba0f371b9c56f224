//! A stream of events as the worker reads it: the next event, or the end. Decides when waiting is over; never what an
//! event means, except that `[DONE]` is none. Source: reference §6.

use std::fmt;
use std::time::{Duration, Instant};

use super::answer::Incoming;
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

/// An open stream, with the connection it comes on. It stays on the thread that opened it, and that thread can open no
/// other meanwhile. Dropping it at any time is quick: what is unread is not waited for, the connection is closed.
pub(crate) struct ChatStream {
    decoder: Decoder,
    incoming: Box<Incoming>,
    buffer: Box<[u8]>,
    /// The event that came before the stream was handed out.
    first: Option<String>,
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
pub(crate) enum StreamItem {
    /// The payload of one event, never empty and never `[DONE]`.
    Event(String),
    /// `[DONE]`, the end of the body, or silence after `expect_end_within`. Whether it came too early, only the
    /// content of the events can tell.
    End,
}

impl ChatStream {
    /// Waits for the first event, until the call's deadline as it stands. `beginning`: what was read already. `idle`:
    /// the longest silence from then on. A stream that ends without any event is an error.
    pub(super) fn start(
        incoming: Incoming,
        beginning: &[u8],
        opc_request_id: Option<String>,
        idle: Duration,
    ) -> Result<Self, OciError> {
        let mut stream = Self {
            decoder: Decoder::default(),
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
    pub(crate) fn next(&mut self) -> Result<StreamItem, OciError> {
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

    fn wait(&mut self) -> Result<StreamItem, OciError> {
        // After the end is expected, only an event starts the clock anew: the next call of this function.
        if let Some(limit) = self.ends_within {
            self.set_deadline(limit);
        }
        loop {
            if let Some(item) = self.decoded()? {
                return Ok(item);
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
    fn decoded(&mut self) -> Result<Option<StreamItem>, OciError> {
        match self.decoder.next() {
            Ok(Some(event)) if event.trim_ascii() == DONE => Ok(Some(StreamItem::End)),
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

impl fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatStream")
            .field("opc_request_id", &self.opc_request_id)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}
