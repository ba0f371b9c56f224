//! A client's request for OCI's own OpenAI-compatible API, and that API's answers: nothing is translated, so that nothing is lost.
//! The request goes as the client wrote it, but for a few fields; of an answer is only read what tells whether it is one,
//! whether it is whole, and what it cost. Source: reference §1.4, §7.

mod object;
mod request;
mod unfold;
mod watch;

pub(crate) use request::{Asked, Passed};
pub(crate) use unfold::as_stream;
pub(crate) use watch::{Seen, Tokens, Watch, whole};

use super::models::OpenAiPath;

/// What the API can be asked for. Which fields a request has and what ends its stream is each one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    ChatCompletions,
}

impl Action {
    /// The path of a POST.
    pub(super) fn path(self, base: OpenAiPath) -> String {
        let action = match self {
            Self::ChatCompletions => "chat/completions",
        };
        format!("{}/{action}", base.as_str())
    }

    /// Fields of OpenAI's that OCI refuses, and that change nothing about the answer.
    fn refused_fields(self) -> &'static [&'static str] {
        match self {
            Self::ChatCompletions => &["store"],
        }
    }
}
