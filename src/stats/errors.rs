//! What goes wrong, in a few words that never grow in number: the `error_type` of the metrics, and the latest errors for who
//! operates the program. Pure: the clock is passed in. Never holds a key, a prompt or an answer; who records sees to that.

use std::collections::VecDeque;
use std::time::Instant;

use crate::names::{AccountId, ModelName, RequestId};

/// Kinds of errors that are kept.
pub(crate) const KEPT: usize = 20;
/// Characters of a message that are kept.
pub(crate) const MAX_MESSAGE_CHARS: usize = 300;

/// How a request ended that did not end well: OpenAI's and this program's codes, without what vendors may invent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorType {
    QueueFull,
    QueueTimeout,
    NoAccount,
    RateLimit,
    Quota,
    Credentials,
    Unreachable,
    Timeout,
    /// OCI failed, its answer broke off, or cannot be used.
    Upstream,
    /// The answer lasted longer than one may.
    StreamTooLong,
    BodyMemory,
    Internal,
    ModelNotFound,
    ContentFilter,
    ContextLength,
    TooLarge,
    /// Any other mistake of the request.
    InvalidRequest,
    ClientLeft,
    /// None of these.
    Other,
}

/// Whose affair an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// OCI's, the accounts' or this program's.
    Server,
    /// The request's.
    Client,
    /// Nobody's: the client has left.
    Left,
}

impl ErrorType {
    pub(crate) const COUNT: usize = 19;
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::QueueFull,
        Self::QueueTimeout,
        Self::NoAccount,
        Self::RateLimit,
        Self::Quota,
        Self::Credentials,
        Self::Unreachable,
        Self::Timeout,
        Self::Upstream,
        Self::StreamTooLong,
        Self::BodyMemory,
        Self::Internal,
        Self::ModelNotFound,
        Self::ContentFilter,
        Self::ContextLength,
        Self::TooLarge,
        Self::InvalidRequest,
        Self::ClientLeft,
        Self::Other,
    ];

    /// The word that metrics and figures use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::QueueTimeout => "queue_timeout",
            Self::NoAccount => "no_account_available",
            Self::RateLimit => "rate_limit_exceeded",
            Self::Quota => "insufficient_quota",
            Self::Credentials => "upstream_credentials",
            Self::Unreachable => "upstream_unreachable",
            Self::Timeout => "upstream_timeout",
            Self::Upstream => "upstream_error",
            Self::StreamTooLong => "stream_too_long",
            Self::BodyMemory => "body_memory_full",
            Self::Internal => "internal_error",
            Self::ModelNotFound => "model_not_found",
            Self::ContentFilter => "content_filter",
            Self::ContextLength => "context_length_exceeded",
            Self::TooLarge => "request_too_large",
            Self::InvalidRequest => "invalid_request_error",
            Self::ClientLeft => "client_closed_request",
            // The convention's word for what has none.
            Self::Other => "_OTHER",
        }
    }

    /// Of an answer with this status and code: by the code if it is one of ours, else by the status.
    pub(crate) fn of(status: u16, code: Option<&str>) -> Self {
        let known = code.and_then(|code| Self::ALL.into_iter().find(|kind| kind.as_str() == code));
        known.unwrap_or(match status {
            429 => Self::RateLimit,
            499 => Self::ClientLeft,
            400..=498 => Self::InvalidRequest,
            502 => Self::Upstream,
            504 => Self::Timeout,
            _ => Self::Other,
        })
    }

    pub(crate) fn side(self) -> Side {
        match self {
            Self::QueueFull
            | Self::QueueTimeout
            | Self::NoAccount
            | Self::RateLimit
            | Self::Quota
            | Self::Credentials
            | Self::Unreachable
            | Self::Timeout
            | Self::Upstream
            | Self::StreamTooLong
            | Self::BodyMemory
            | Self::Internal
            | Self::Other => Side::Server,
            Self::ModelNotFound
            | Self::ContentFilter
            | Self::ContextLength
            | Self::TooLarge
            | Self::InvalidRequest => Side::Client,
            Self::ClientLeft => Side::Left,
        }
    }

    /// Whether the request was refused because too many came at once.
    pub(crate) fn is_shed(self) -> bool {
        matches!(self, Self::QueueFull | Self::QueueTimeout)
    }

    /// What to do about it, for the operator, where the kind alone says that.
    pub(crate) fn hint(self) -> Option<&'static str> {
        let hint = match self {
            Self::QueueFull => {
                "More requests wait than queue_size: raise it, or global_max_concurrency, or add accounts."
            }
            Self::QueueTimeout => {
                "No worker or account became free within queue_timeout: raise max_concurrency or global_max_concurrency, or add accounts."
            }
            Self::NoAccount => {
                "All accounts are out: GET /stats/accounts says why each of them is."
            }
            Self::Quota => {
                "A service limit or quota of the tenancy is used up: ask for more in the OCI console, or use another account."
            }
            Self::StreamTooLong => "The answer took longer than any may: ask for a shorter one.",
            Self::BodyMemory => "Too many large requests at once: raise max_body_memory.",
            Self::Internal => {
                "This is a fault of the proxy: its log has more, under the request's id."
            }
            Self::ModelNotFound => {
                "Use a name of [MODELS] in the client, or set default_model; a model of [MODELS] must be offered in the account's region."
            }
            Self::ContentFilter => "The model's vendor refuses this request for its content.",
            Self::ContextLength => {
                "The conversation is too long for this model: begin a new one, or use another model."
            }
            Self::TooLarge => {
                "The request is larger than max_request_bytes: raise it, or send less."
            }
            Self::InvalidRequest => {
                "The client sends what this model or the API does not take: its log has the answer in full."
            }
            Self::RateLimit
            | Self::Credentials
            | Self::Unreachable
            | Self::Timeout
            | Self::Upstream
            | Self::ClientLeft
            | Self::Other => return None,
        };
        Some(hint)
    }
}

/// How one upstream call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpstreamError {
    Unreachable,
    Timeout,
    /// An answer that breaks off or cannot be read.
    Broken,
    /// An error event within a stream.
    Event,
    /// 429.
    Throttled,
    /// 401, 403.
    Credentials,
    /// 404.
    NotFound,
    /// 5xx.
    Server,
    /// Any other status.
    Status,
}

impl UpstreamError {
    pub(crate) const COUNT: usize = 9;
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Unreachable,
        Self::Timeout,
        Self::Broken,
        Self::Event,
        Self::Throttled,
        Self::Credentials,
        Self::NotFound,
        Self::Server,
        Self::Status,
    ];

    /// The word that the metrics use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Event => "event",
            Self::Throttled => "throttled",
            Self::Credentials => "credentials",
            Self::NotFound => "not_found",
            Self::Server => "server_error",
            Self::Status => "other_status",
        }
    }

    pub(crate) fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Credentials,
            404 => Self::NotFound,
            429 => Self::Throttled,
            500..=599 => Self::Server,
            _ => Self::Status,
        }
    }
}

/// What went wrong with one request or attempt, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) kind: ErrorType,
    /// What the client got, or would have got.
    pub(crate) status: u16,
    /// OpenAI's, this program's or OCI's.
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<&'static str>,
    pub(crate) opc_request_id: Option<String>,
}

/// Whose problem it was.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) request: &'a RequestId,
    /// As configured; `None` if there is no such model, or it was not known yet.
    pub(crate) model: Option<&'a ModelName>,
    pub(crate) account: Option<&'a AccountId>,
    /// `false`: another attempt has made it good.
    pub(crate) answered: bool,
}

/// Errors of one kind: same model, account, status and code.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) first: Instant,
    pub(crate) last: Instant,
    pub(crate) count: u64,
    pub(crate) model: Option<ModelName>,
    pub(crate) account: Option<AccountId>,
    pub(crate) answered: bool,
    /// The latest one's.
    pub(crate) request: RequestId,
    /// The latest one.
    pub(crate) problem: Problem,
}

/// The latest kinds of errors, at most [`KEPT`]. A storm of one kind drives no other one out.
#[derive(Debug, Default)]
pub(crate) struct RecentErrors {
    /// Latest first.
    entries: VecDeque<Entry>,
}

impl RecentErrors {
    pub(crate) fn add(&mut self, whose: Whose<'_>, problem: &Problem, now: Instant) {
        let known = self
            .entries
            .iter()
            .position(|entry| entry.is_of(whose, problem));
        let entry = match known.and_then(|at| self.entries.remove(at)) {
            Some(mut entry) => {
                entry.last = now;
                entry.count += 1;
                entry.request = whose.request.clone();
                entry.problem = problem.cut();
                entry
            }
            None => Entry::new(whose, problem, now),
        };
        self.entries.truncate(KEPT - 1);
        self.entries.push_front(entry);
    }

    /// Latest first.
    pub(crate) fn list(&self) -> Vec<Entry> {
        self.entries.iter().cloned().collect()
    }
}

impl Entry {
    fn new(whose: Whose<'_>, problem: &Problem, now: Instant) -> Self {
        Self {
            first: now,
            last: now,
            count: 1,
            model: whose.model.cloned(),
            account: whose.account.cloned(),
            answered: whose.answered,
            request: whose.request.clone(),
            problem: problem.cut(),
        }
    }

    fn is_of(&self, whose: Whose<'_>, problem: &Problem) -> bool {
        self.model.as_ref() == whose.model
            && self.account.as_ref() == whose.account
            && self.answered == whose.answered
            && self.problem.status == problem.status
            && self.problem.kind == problem.kind
            && self.problem.code == problem.code
    }
}

impl Problem {
    /// With as much of the message as is kept.
    fn cut(&self) -> Self {
        let mut problem = self.clone();
        if let Some((end, _)) = problem.message.char_indices().nth(MAX_MESSAGE_CHARS) {
            problem.message.truncate(end);
            problem.message.push('…');
        }
        problem
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_kind_has_its_place_and_its_word() {
        for (place, kind) in ErrorType::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
            assert_eq!(ErrorType::of(0, Some(kind.as_str())), kind);
        }
        for (place, class) in UpstreamError::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place);
        }
    }

    #[test]
    fn codes_that_vendors_invent_make_no_new_kinds() {
        for (status, code, expected) in [
            (400, Some("content_filter"), ErrorType::ContentFilter),
            (400, Some("InvalidParameter"), ErrorType::InvalidRequest),
            (400, None, ErrorType::InvalidRequest),
            (404, Some("model_not_found"), ErrorType::ModelNotFound),
            (422, Some("bad"), ErrorType::InvalidRequest),
            (429, Some("SlowDown"), ErrorType::RateLimit),
            (429, Some("insufficient_quota"), ErrorType::Quota),
            (499, None, ErrorType::ClientLeft),
            (500, Some("what"), ErrorType::Other),
            (502, Some("InternalServerError"), ErrorType::Upstream),
            (503, Some("queue_full"), ErrorType::QueueFull),
            (504, None, ErrorType::Timeout),
        ] {
            assert_eq!(ErrorType::of(status, code), expected, "{status} {code:?}");
        }
    }

    fn problem(status: u16, message: &str) -> Problem {
        Problem {
            kind: ErrorType::of(status, None),
            status,
            code: None,
            message: message.to_owned(),
            hint: None,
            opc_request_id: None,
        }
    }

    fn add(errors: &mut RecentErrors, request: u8, model: &str, problem: &Problem, now: Instant) {
        let whose = Whose {
            request: &RequestId::from_random([request; 16]),
            model: Some(&ModelName::new(model)),
            account: None,
            answered: true,
        };
        errors.add(whose, problem, now);
    }

    #[test]
    fn a_storm_of_one_kind_is_one_entry() {
        let t0 = Instant::now();
        let at = |seconds| t0 + Duration::from_secs(seconds);
        let mut errors = RecentErrors::default();
        add(&mut errors, 1, "grok", &problem(502, "first"), t0);
        add(&mut errors, 2, "llama", &problem(502, "other"), at(1));
        for second in 2..1000 {
            add(&mut errors, 3, "grok", &problem(502, "again"), at(second));
        }
        let list = errors.list();
        assert_eq!(list.len(), 2);
        assert_eq!(
            (list[0].first, list[0].last, list[0].count),
            (t0, at(999), 999)
        );
        assert_eq!(list[0].problem.message, "again");
        assert_eq!(list[0].request, RequestId::from_random([3; 16]));
        assert_eq!(
            (list[1].count, list[1].problem.message.as_str()),
            (1, "other")
        );
    }

    #[test]
    fn the_oldest_kind_makes_room() {
        let t0 = Instant::now();
        let mut errors = RecentErrors::default();
        for model in 0..100 {
            add(&mut errors, 1, &model.to_string(), &problem(502, "x"), t0);
        }
        let list = errors.list();
        assert_eq!(list.len(), KEPT);
        let models = list.iter().filter_map(|entry| entry.model.as_ref());
        let models: Vec<_> = models.map(ModelName::as_str).collect();
        assert_eq!((models[0], models[KEPT - 1]), ("99", "80"));
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let mut errors = RecentErrors::default();
        add(
            &mut errors,
            1,
            "grok",
            &problem(502, &"密".repeat(9999)),
            Instant::now(),
        );
        let message = &errors.list()[0].problem.message;
        assert_eq!(message.chars().count(), MAX_MESSAGE_CHARS + 1);
        assert!(message.ends_with("密…"));
    }
}
