//! A client's request for OCI's own OpenAI-compatible API, and that API's answers: nothing is translated, so that nothing is lost.
//! The request goes as the client wrote it, but for a few fields; of an answer is only read what tells whether it is one,
//! whether it is whole, and what it cost. Source: reference §1.4, §7.

mod events;
mod object;
mod request;
mod unfold;
mod watch;

pub(crate) use request::{Asked, Passed};
pub(crate) use watch::{Seen, Tokens};

use crate::oci::error::OciError;
use crate::openai::render::Begun;

use super::Progress;
use super::models::{ModelTarget, OpenAiPath};
use events::ResponseWatch;
use watch::ChatWatch;

/// What the API can be asked for. Which fields a request has and what ends its stream is each one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    ChatCompletions,
    Responses,
}

/// Watches a stream of what was asked for.
pub(crate) enum Watch {
    Chat(ChatWatch),
    Responses(ResponseWatch),
}

impl Action {
    /// The path of a POST.
    pub(super) fn path(self, base: OpenAiPath) -> String {
        let action = match self {
            Self::ChatCompletions => "chat/completions",
            Self::Responses => "responses",
        };
        format!("{}/{action}", base.as_str())
    }

    /// Whether it is known to be missing for that model, whatever the account and region.
    pub(crate) fn is_missing_for(self, target: &ModelTarget) -> bool {
        match self {
            Self::ChatCompletions => false,
            Self::Responses => target.id().starts_with("meta."),
        }
    }

    /// Whether a whole answer can be made into a stream.
    pub(crate) fn unfolds(self) -> bool {
        match self {
            Self::ChatCompletions => true,
            Self::Responses => false,
        }
    }

    /// Fields of OpenAI's that OCI refuses, and that change nothing about the answer.
    fn refused_fields(self) -> &'static [&'static str] {
        match self {
            Self::ChatCompletions => &["store"],
            Self::Responses => &[],
        }
    }

    /// Whether a whole answer is one, and what it cost. Errors: as of an [event](Watch::see).
    pub(crate) fn whole(self, body: &[u8]) -> Result<Option<Tokens>, OciError> {
        match self {
            Self::ChatCompletions => watch::whole(body),
            Self::Responses => events::whole(body),
        }
    }

    /// A whole answer as the data of a stream's events. Errors: [`OciError::Broken`] for what is no answer, or does not
    /// [unfold](Self::unfolds).
    pub(crate) fn as_stream(self, body: &[u8], wants_usage: bool) -> Result<Vec<String>, OciError> {
        match self {
            Self::ChatCompletions => unfold::as_stream(body, wants_usage),
            Self::Responses => Err(OciError::Broken {
                why: "OCI answered whole where a stream was asked for".to_owned(),
            }),
        }
    }
}

impl Watch {
    /// `wants_usage`, `choices`: of a chat, as [`ChatWatch::new`] takes them.
    pub(crate) fn new(action: Action, wants_usage: bool, choices: u32) -> Self {
        match action {
            Action::ChatCompletions => Self::Chat(ChatWatch::new(wants_usage, choices)),
            Action::Responses => Self::Responses(ResponseWatch::default()),
        }
    }

    /// What an event's data says. Errors: [`OciError::Broken`] for what is no event of an answer, or for `[DONE]` before the answer
    /// is whole, [`OciError::Event`] for an error event.
    pub(crate) fn see(&mut self, data: &[u8]) -> Result<Seen, OciError> {
        match self {
            Self::Chat(watch) => watch.see(data),
            Self::Responses(watch) => watch.see(data),
        }
    }

    /// How far the stream has come.
    pub(crate) fn progress(&self) -> Progress {
        match self {
            Self::Chat(watch) => watch.progress(),
            Self::Responses(watch) => watch.progress(),
        }
    }

    /// The stream is over. Errors: [`OciError::Broken`] if its answer is not whole.
    pub(crate) fn end(&self) -> Result<(), OciError> {
        match self {
            Self::Chat(watch) => watch.end(),
            Self::Responses(watch) => watch.end(),
        }
    }

    pub(crate) fn tokens(&self) -> Option<Tokens> {
        match self {
            Self::Chat(watch) => watch.tokens(),
            Self::Responses(watch) => watch.tokens(),
        }
    }

    /// Whether a whole stream has an event behind the answer, which it gets if it lacks it.
    pub(crate) fn has_closing_event(&self) -> bool {
        matches!(self, Self::Chat(_))
    }

    /// What who goes on with the stream must know of it.
    pub(crate) fn begun(&self) -> Option<&Begun> {
        match self {
            Self::Chat(_) => None,
            Self::Responses(watch) => watch.begun(),
        }
    }
}
