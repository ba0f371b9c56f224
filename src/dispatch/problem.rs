//! What went wrong with a request, in the words of the figures: its bounded kind, what the client was told, and what the operator can
//! do about it. Pure.

use crate::dispatch::probe;
use crate::oci::error::{OciError, status_of_code};
use crate::openai::error::ApiError;
use crate::stats::errors::{ErrorType, Problem, UpstreamError};
use crate::translate;

/// An error event says no more than that, unless it has a code.
const EVENT_HINT: &str = "The model failed within its answer: try again, or another model; if it stays, open a ticket with OCI.";

/// An error that this program answers with on its own account.
pub(crate) fn of_answer(told: &ApiError) -> Problem {
    let kind = ErrorType::of(told.status, told.code.as_deref());
    Problem {
        kind,
        status: told.status,
        code: told.code.clone(),
        message: told.message.clone(),
        hint: kind.hint(),
        opc_request_id: None,
    }
}

/// An error that came from upstream, in OCI's words; `told`: what the client gets.
pub(crate) fn of_upstream(error: &OciError, told: &ApiError) -> Problem {
    let problem = of_answer(told);
    Problem {
        message: error.to_string(),
        hint: problem.hint.or_else(|| Some(hint(error))),
        opc_request_id: opc_request_id(error).map(str::to_owned),
        ..problem
    }
}

/// An upstream call failed after its answer had begun.
pub(super) fn of_broken_stream(error: &OciError) -> Problem {
    let problem = of_upstream(error, &translate::error(error));
    Problem {
        message: format!("broken off: {}", problem.message),
        ..problem
    }
}

/// OCI's id of the call, if its answer had one.
pub(crate) fn opc_request_id(error: &OciError) -> Option<&str> {
    match error {
        OciError::Status(status) => status.opc_request_id.as_deref(),
        OciError::Unreachable { .. }
        | OciError::Timeout { .. }
        | OciError::Broken { .. }
        | OciError::Event { .. }
        | OciError::NoCredential { .. }
        | OciError::Cancelled => None,
    }
}

/// How the call failed; `None`: its client stopped it.
pub(super) fn class(error: &OciError) -> Option<UpstreamError> {
    match error {
        OciError::Status(status) => Some(UpstreamError::of_status(status.status)),
        OciError::Unreachable { .. } => Some(UpstreamError::Unreachable),
        OciError::Timeout { .. } => Some(UpstreamError::Timeout),
        OciError::Broken { .. } => Some(UpstreamError::Broken),
        OciError::Event { .. } => Some(UpstreamError::Event),
        OciError::NoCredential { .. } => Some(UpstreamError::Credentials),
        OciError::Cancelled => None,
    }
}

fn hint(error: &OciError) -> &'static str {
    match error {
        OciError::Event { code, .. } => code
            .as_deref()
            .and_then(status_of_code)
            .map_or(EVENT_HINT, probe::hint_of_status),
        OciError::Status(_)
        | OciError::Unreachable { .. }
        | OciError::Timeout { .. }
        | OciError::Broken { .. }
        | OciError::NoCredential { .. }
        | OciError::Cancelled => probe::hint(error),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::oci::error::{Phase, StatusError};

    fn status(status: u16) -> OciError {
        OciError::Status(Box::new(StatusError {
            status,
            code: None,
            message: "what OCI says".to_owned(),
            param: None,
            opc_request_id: Some("an/id".to_owned()),
            retry_after: None,
        }))
    }

    #[test]
    fn upstream_errors_have_their_kind_and_a_hint() {
        let why = String::new();
        let event = |code: Option<&str>| OciError::Event {
            code: code.map(str::to_owned),
            message: "no".to_owned(),
        };
        let timeout = OciError::Timeout {
            phase: Phase::Answer,
            after: Duration::from_secs(1),
        };
        for (error, kind, failed, hint) in [
            (
                status(400),
                "invalid_request_error",
                "other_status",
                "in full",
            ),
            (
                status(401),
                "upstream_credentials",
                "credentials",
                "fingerprint",
            ),
            (status(403), "upstream_credentials", "credentials", "policy"),
            (status(429), "rate_limit_exceeded", "throttled", "throttles"),
            (status(500), "upstream_error", "server_error", "OCI itself"),
            (timeout, "upstream_timeout", "timeout", "in time"),
            (
                OciError::Broken { why },
                "upstream_error",
                "broken",
                "endpoint",
            ),
            (event(None), "upstream_error", "event", "within its answer"),
            (
                event(Some("429")),
                "rate_limit_exceeded",
                "event",
                "throttles",
            ),
        ] {
            let problem = of_upstream(&error, &translate::error(&error));
            assert_eq!(problem.kind.as_str(), kind, "{error:?}");
            assert_eq!(class(&error).unwrap().as_str(), failed, "{error:?}");
            assert!(problem.hint.unwrap().contains(hint), "{problem:?}");
        }
        assert_eq!(class(&OciError::Cancelled), None);
    }

    #[test]
    fn a_problem_is_told_in_the_words_of_oci() {
        let error = status(503);
        let problem = of_broken_stream(&error);
        assert!(
            problem.message.starts_with("broken off: ")
                && problem.message.contains("what OCI says")
        );
        assert_eq!(
            (problem.status, problem.opc_request_id.as_deref()),
            (502, Some("an/id"))
        );
        let own = of_answer(&ApiError::queue_full(Duration::from_secs(3)));
        assert_eq!((own.kind, own.status), (ErrorType::QueueFull, 503));
        assert!(own.hint.unwrap().contains("queue_size"));
    }
}
