//! What an event of a stream says, in words that all formats share: GENERIC's, which say the most.

use sha2::{Digest, Sha256};

use crate::oci::error::OciError;
use crate::oci::wire::TextOr;
use crate::oci::wire::generic::{Answer, AnswerToolCall, ErrorBody, LogProbs, Usage};

/// What an event says.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) index: Option<u64>,
    /// Text, thoughts and the like; its tool calls stand in `calls`.
    pub(super) answer: Option<Answer>,
    /// With each the place that tells which call a fragment belongs to.
    pub(super) calls: Vec<(usize, AnswerToolCall)>,
    pub(super) finish_reason: Option<String>,
    pub(super) logprobs: Option<LogProbs>,
    pub(super) usage: Option<Usage>,
    /// No reason says so, and yet the answer is complete. Cohere's formats only.
    pub(super) complete: bool,
}

/// The error that an event is, in any of the forms that all formats share. A code alone is one only if the event says
/// nothing more.
pub(super) fn failure(
    error: Option<TextOr<ErrorBody>>,
    message: Option<String>,
    code: Option<String>,
    says_more: bool,
) -> Option<OciError> {
    let (code, message) = match (error, message, code) {
        (Some(TextOr::Text(message)), _, code) | (None, Some(message), code) => {
            (code, Some(message))
        }
        (Some(TextOr::Object(body)), _, code) => (body.code.or(code), body.message),
        (None, None, Some(code)) if !says_more => (Some(code), None),
        (None, None, _) => return None,
    };
    Some(OciError::Event {
        code,
        message: message.unwrap_or_else(|| "no message was given".to_owned()),
    })
}

/// All that a stream has said, as far as it takes to tell when it is said again: not the text, only its digest.
#[derive(Default)]
pub(super) struct Said {
    any: bool,
    digest: Sha256,
}

impl Said {
    pub(super) fn add(&mut self, piece: Option<&str>) {
        if let Some(piece) = piece {
            self.any = true;
            self.digest.update(piece);
        }
    }

    pub(super) fn is_any(&self) -> bool {
        self.any
    }

    /// Whether `text` is all that was said.
    pub(super) fn is_all(&self, text: &str) -> bool {
        self.any && self.digest.clone().finalize() == Sha256::digest(text)
    }
}
