//! The table of hostile inputs: what is sent and what is answered, against one running program. Behind every input a chat
//! must work; at the end the program holds no thread and no descriptor more than before, and its log has no line that an
//! input has written.

use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::harness::KEY;
use crate::hostile::{CHAT, Site, chat_request};

mod bodies;
mod doors;
mod floods;
mod heads;
mod json;
mod log;

/// The README says that there are more.
const FEWEST: usize = 400;
/// Longest line of the log and longest refusal: what a client sends is quoted in part only.
const MAX_QUOTED_BYTES: usize = 4096;
/// What one run over the table may leave behind: the largest inputs have a megabyte, and allocators keep what they had.
const MAX_GROWTH_KIB: usize = 64 * 1024;

/// One input.
pub(crate) struct Row {
    name: String,
    bytes: Vec<u8>,
    /// Of the answers, in their order. None: the connection ends without a word.
    statuses: Vec<u16>,
    /// Of the last answer.
    code: Option<&'static str>,
    end: End,
    /// Chats among them that are to reach OCI.
    chats: usize,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It serves the next request.
    Open,
    /// It ends after the last answer.
    Closed,
}

impl Row {
    fn new(name: &str, bytes: impl Into<Vec<u8>>, statuses: &[u16], end: End) -> Self {
        Self {
            name: name.to_owned(),
            bytes: bytes.into(),
            statuses: statuses.to_vec(),
            code: None,
            end,
            chats: 0,
        }
    }

    /// One answer, and the connection ends: what follows would be read by guess.
    pub(crate) fn refused(name: &str, bytes: impl Into<Vec<u8>>, status: u16) -> Self {
        Self::new(name, bytes, &[status], End::Closed)
    }

    /// One answer, and the connection goes on.
    pub(crate) fn answered(name: &str, bytes: impl Into<Vec<u8>>, status: u16) -> Self {
        Self::new(name, bytes, &[status], End::Open)
    }

    /// No answer: it is no request yet when its client stops sending.
    pub(crate) fn silent(name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(name, bytes, &[], End::Closed)
    }

    /// Several requests in one piece.
    pub(crate) fn pipelined(name: &str, bytes: impl Into<Vec<u8>>, statuses: &[u16]) -> Self {
        Self::new(name, bytes, statuses, End::Open)
    }

    pub(crate) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(crate) fn chats(mut self, chats: usize) -> Self {
        self.chats = chats;
        self
    }

    /// The last answer ends the connection.
    pub(crate) fn and_closed(mut self) -> Self {
        self.end = End::Closed;
        self
    }

    fn check(&self, site: &Site) {
        let mut client = site.proxy.connect();
        client.try_send(&self.bytes);
        if self.statuses.is_empty() {
            client.stream.shutdown(Shutdown::Write).unwrap();
        }
        let method = if self.bytes.starts_with(b"HEAD ") {
            "HEAD"
        } else {
            "any other"
        };
        for (at, status) in self.statuses.iter().enumerate() {
            let answer = client.response(method);
            assert_eq!(answer.status, *status, "{}: {}", self.name, answer.text());
            let is_last = at + 1 == self.statuses.len();
            assert!(answer.whole, "{}", self.name);
            assert!(
                answer
                    .header("x-request-id")
                    .is_some_and(|id| id.len() == 32),
                "{}",
                self.name
            );
            if *status >= 400 && method != "HEAD" {
                let error = &answer.json()["error"];
                assert!(error["message"].is_string() && error["type"].is_string());
                assert!(answer.body.len() < MAX_QUOTED_BYTES, "{}", self.name);
                if is_last {
                    assert_eq!(error["code"].as_str(), self.code, "{}: {error}", self.name);
                }
            }
            let announced = answer.header("connection") == Some("close");
            let closes = is_last && self.end == End::Closed;
            assert_eq!(announced, closes, "{}: {:?}", self.name, answer.headers);
        }
        match self.end {
            End::Open => {
                client.send_request("GET", "/health", &[], "");
                let health = client.response("GET");
                assert_eq!(health.status, 200, "behind {}", self.name);
            }
            End::Closed => {
                let rest = client.rest();
                assert!(rest.is_empty(), "{}: {rest:?}", self.name);
            }
        }
        let (chat, _) = site.answer(chat_request(CHAT));
        assert_eq!(chat.status, 200, "after {}: {}", self.name, chat.text());
    }
}

/// A request without a body; `lines` are whole header lines.
pub(crate) fn ask(line: &str, lines: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")
}

/// The same with the key.
pub(crate) fn ask_with_key(line: &str, lines: &str) -> String {
    ask(line, &format!("x-api-key: {KEY}\r\n{lines}"))
}

#[test]
fn every_hostile_input_gets_its_answer_and_harms_nobody() {
    let site = Site::start("");
    let before = site.chats();
    let rows: Vec<Row> = [
        heads::rows(),
        floods::rows(),
        bodies::rows(),
        json::rows(),
        doors::rows(),
        log::rows(),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(rows.len() >= FEWEST, "{}", rows.len());
    let began = Instant::now();
    // All of them, whatever becomes of one: a row that fails says so, and the next one is tried.
    let failed: Vec<&str> = rows
        .iter()
        .filter(|row| catch_unwind(AssertUnwindSafe(|| row.check(&site))).is_err())
        .map(|row| row.name.as_str())
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
    eprintln!("{} hostile inputs in {:?}", rows.len(), began.elapsed());
    // Each row's own chats, and the one behind it: nothing that was hidden in an input has reached OCI.
    let own: usize = rows.iter().map(|row| row.chats).sum();
    assert_eq!(site.chats(), before + rows.len() + own);
    site.assert_grew_at_most(MAX_GROWTH_KIB);
    site.assert_unharmed();
    log::check(&site.proxy.log());
}
