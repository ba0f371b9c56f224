//! What the faulty account does, down to the bytes.

use std::time::Duration;

use ociai_proxy::simulator::{Framing, Gate, Script, Step};

/// What the stream has said before the fault, if it had begun.
pub(crate) const FIRST_TEXT: &str = "First";
/// What an answer says that is good in spite of the fault.
pub(crate) const LAST_TEXT: &str = " and last.";

macro_rules! last_message {
    () => {
        r#""message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":" and last."}]},"finishReason":"stop"}"#
    };
}

const FIRST: &[u8] =
    br#"data: {"index":0,"message":{"role":"ASSISTANT","content":[{"type":"TEXT","text":"First"}]}}

"#;
/// A stream's last event.
pub(crate) const LAST: &[u8] = concat!(r#"data: {"index":0,"#, last_message!(), "\n\n").as_bytes();
/// A whole answer.
pub(crate) const ANSWER: &str = concat!(
    r#"{"modelId":"m","modelVersion":"1","chatResponse":{"apiFormat":"GENERIC","choices":[{"index":0,"#,
    last_message!(),
    "]}}"
);
pub(crate) const HTML: &str = "<html><title>Bad Gateway</title>";
/// An event of which no chunk comes.
pub(crate) const NO_MEANING: &[u8] = b"data: {\"pad\":\"aaaa\"}\n\n";
pub(crate) const WIDE: &[u8] =
    br#"data: {"index":4294967296,"message":{"role":"ASSISTANT","content":[]}}

"#;

/// In whose words an answer is: those of OCI's native API, or of its OpenAI-compatible one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Words {
    Native,
    OpenAi,
}

impl Words {
    /// The clients' name of a model that is asked through that API.
    pub(crate) fn model(self) -> &'static str {
        match self {
            Self::Native => "grok",
            Self::OpenAi => "passed",
        }
    }

    fn first(self) -> &'static [u8] {
        match self {
            Self::Native => FIRST,
            Self::OpenAi => {
                br#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"First"}}]}

"#
            }
        }
    }

    fn answer(self) -> &'static str {
        match self {
            Self::Native => ANSWER,
            Self::OpenAi => {
                r#"{"choices":[{"index":0,"message":{"role":"assistant","content":" and last."},"finish_reason":"stop"}]}"#
            }
        }
    }
}

/// The last chunk of an OpenAI-shaped stream.
pub(crate) const LAST_CHUNK: &[u8] =
    br#"data: {"choices":[{"index":0,"delta":{"content":" and last."},"finish_reason":"stop"}]}

"#;

/// A comment of some length: a stream's limit is reached sooner.
pub(crate) const COMMENT: &[u8] = &{
    let mut line = [b' '; 16 * 1024];
    line[0] = b':';
    line[line.len() - 1] = b'\n';
    line
};

/// More than any line or any nesting may have.
const TOO_LONG: usize = 9 * 1024 * 1024;
const TOO_DEEP: usize = 100_000;
/// What is written at once of what never ends.
const FLOOD_BYTES: usize = 64 * 1024;
/// Between two pieces of what drips: often enough that silence is not what ends it.
const DRIP_PACE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// Bytes on the connection, the head too.
    Raw(&'static [u8], Then),
    /// A whole answer with a length.
    Status(u16, &'static [(&'static str, &'static str)], &'static str),
    /// A good answer with other headers.
    Answer(&'static [(&'static str, &'static str)]),
    /// In a chunked stream, behind its head and, if it had begun, its first event.
    Events(&'static [&'static [u8]], Then),
    /// One event there.
    Event(fn() -> Vec<u8>),
    /// There, but not framed as a chunk.
    Unframed(&'static [u8]),
    Made(fn() -> Script),
}

/// What follows the last byte.
#[derive(Clone, Copy)]
pub(crate) enum Then {
    Cut,
    /// The proper end.
    Clean,
    /// Silence, the connection open.
    Hang,
    /// This, again and again, as fast as it is read.
    Flood(&'static [u8]),
    /// The same, slowly.
    Drip(&'static [u8]),
}

impl Fault {
    /// `begun`: behind the first event of a stream, once the client has that and has opened the gate.
    pub(crate) fn script(self, begun: Option<&Gate>, words: Words) -> Script {
        match self {
            Self::Raw(bytes, then) => steps([vec![bytes_of(bytes)], then.steps()]),
            Self::Status(status, headers, body) => answer(status, headers, body),
            Self::Answer(headers) => answer(200, headers, words.answer()),
            Self::Events(events, then) => {
                let events = events.iter().map(|event| bytes_of(event));
                steps([head(begun, words), events.collect(), then.steps()])
            }
            Self::Event(make) => {
                let event = vec![Step::Bytes(make()), Step::CloseCleanly];
                steps([head(begun, words), event])
            }
            Self::Unframed(bytes) => unframed(begun, bytes, words),
            Self::Made(make) => make(),
        }
    }

    /// On a connection out of the pool it is taken for one that had been closed before, and is nobody's failure.
    pub(crate) fn looks_stale(self) -> bool {
        matches!(self, Self::Raw(b"", Then::Cut))
    }

    /// It ends by one of the program's limits of time.
    pub(crate) fn waits(self) -> bool {
        match self {
            Self::Raw(_, then) | Self::Events(_, then) => match then {
                Then::Hang | Then::Drip(_) => true,
                Then::Cut | Then::Clean | Then::Flood(_) => false,
            },
            Self::Status(..) | Self::Answer(_) | Self::Event(_) | Self::Unframed(_) => false,
            Self::Made(_) => false,
        }
    }
}

impl Then {
    fn steps(self) -> Vec<Step> {
        let endless = |bytes: &[u8], pace| Step::Endless {
            bytes: bytes.to_vec(),
            pace,
        };
        vec![match self {
            Self::Cut => Step::Cut,
            Self::Clean => Step::CloseCleanly,
            Self::Hang => Step::Hang,
            Self::Flood(bytes) => endless(&bytes.repeat(FLOOD_BYTES / bytes.len()), Duration::ZERO),
            Self::Drip(bytes) => endless(bytes, DRIP_PACE),
        }]
    }
}

/// A good answer that ends with its connection.
pub(crate) fn closing() -> Script {
    let head = Step::Head {
        status: 200,
        content_type: "application/json".to_owned(),
        framing: Framing::UntilClose,
    };
    Script::Steps(vec![head, bytes_of(ANSWER.as_bytes()), Step::CloseCleanly])
}

fn steps<const N: usize>(parts: [Vec<Step>; N]) -> Script {
    Script::Steps(parts.concat())
}

fn bytes_of(bytes: &[u8]) -> Step {
    Step::Bytes(bytes.to_vec())
}

fn head(begun: Option<&Gate>, words: Words) -> Vec<Step> {
    let head = Step::Head {
        status: 200,
        content_type: "text/event-stream".to_owned(),
        framing: Framing::Chunked,
    };
    let mut steps = vec![head];
    if let Some(gate) = begun {
        steps.extend([bytes_of(words.first()), Step::WaitFor(gate.clone())]);
    }
    steps
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Script {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Script::Status {
        status,
        headers: headers.collect(),
        body: body.as_bytes().to_vec(),
    }
}

fn unframed(begun: Option<&Gate>, bytes: &[u8], words: Words) -> Script {
    let head =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut steps = vec![bytes_of(head)];
    if let Some(gate) = begun {
        let first = words.first();
        let size = format!("{:x}\r\n", first.len());
        steps.extend([size.as_bytes(), first, b"\r\n"].map(bytes_of));
        steps.push(Step::WaitFor(gate.clone()));
    }
    steps.extend([bytes_of(bytes), Step::Cut]);
    Script::Steps(steps)
}

/// JSON with a length that is told wrong by as much; `more` stands behind it. The connection stays open.
fn lying(error: isize, more: &str) -> Script {
    let length = ANSWER.len().checked_add_signed(error).unwrap();
    let raw = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{ANSWER}{more}");
    Script::Steps(vec![Step::Bytes(raw.into_bytes()), Step::Hang])
}

pub(crate) fn longer() -> Script {
    lying(0, "and something that nobody asked for")
}

pub(crate) fn twice() -> Script {
    let another = r#"{"modelId":"m","chatResponse":{"apiFormat":"GENERIC","choices":[]}}"#;
    let length = another.len();
    lying(
        0,
        &format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{another}"),
    )
}

pub(crate) fn too_short_a_length() -> Script {
    lying(-20, "")
}

pub(crate) fn shorter() -> Script {
    let length = ANSWER.len() + 1;
    let raw = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{ANSWER}");
    Script::Steps(vec![Step::Bytes(raw.into_bytes()), Step::Cut])
}

/// A few bytes that would become many.
pub(crate) fn gzip() -> Script {
    let zeros =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x4b\x4c\x1c\x05\xa3\x60\x14\x0c\x77\x00\x00";
    Script::Status {
        status: 200,
        headers: vec![("content-encoding".to_owned(), "gzip".to_owned())],
        body: zeros.to_vec(),
    }
}

pub(crate) fn deep_answer() -> Script {
    let nested = "[".repeat(TOO_DEEP) + &"]".repeat(TOO_DEEP);
    answer(200, &[], &format!("{{\"modelId\":\"m\",\"x\":{nested}}}"))
}

pub(crate) fn deep() -> Vec<u8> {
    let nested = "[".repeat(TOO_DEEP) + &"]".repeat(TOO_DEEP);
    format!("data: {{\"index\":0,\"x\":{nested}}}\n\n").into_bytes()
}

pub(crate) fn long() -> Vec<u8> {
    let pad = "a".repeat(TOO_LONG);
    format!("data: {{\"index\":0,\"pad\":\"{pad}\"}}\n\n").into_bytes()
}
