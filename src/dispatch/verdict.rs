//! What to do about an upstream error: the table. What the client is told about it stands in `translate::error`. Pure.

use std::time::Duration;

use crate::oci::error::{OciError, status_of_code};
use crate::translate;

/// The first pause before the same account is asked again; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest such pause.
const MAX_PAUSE: Duration = Duration::from_secs(8);

/// What comes after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The client gets this error.
    Answer,
    /// Another attempt may succeed.
    Again,
}

/// Judges an attempt that failed before anything reached the client. Source: reference §8; Oracle's own clients repeat
/// chat calls after time-outs, connection errors, 409 and 5xx except 501. 429 is not repeated on the same account: OCI
/// blocks who hammers it, and the client's own back-off knows best.
pub(crate) fn judge(error: &OciError) -> Next {
    match error {
        OciError::Status(status) => by_status(status.status),
        OciError::Event { code, .. } => match code.as_deref().and_then(status_of_code) {
            Some(status) => by_status(status),
            // Without a code its words may say that the request is at fault.
            None if translate::error(error).status < 500 => Next::Answer,
            None => Next::Again,
        },
        OciError::Unreachable { .. } | OciError::Timeout { .. } | OciError::Broken { .. } => {
            Next::Again
        }
        OciError::Cancelled => Next::Answer,
    }
}

fn by_status(status: u16) -> Next {
    match status {
        409 | 500 | 502..=599 => Next::Again,
        _ => Next::Answer,
    }
}

/// How long to wait before attempt number `attempt` (1 is the first repetition) on the same account: exponential, with
/// jitter so that many requests that failed together do not come back together. `random` is any number.
pub(crate) fn pause(attempt: u32, random: u32) -> Duration {
    let doubled = FIRST_PAUSE * 2_u32.saturating_pow(attempt.saturating_sub(1).min(16));
    let full = doubled.min(MAX_PAUSE);
    full / 2 + (full / 2) * (random % 1000) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::error::{Phase, StatusError};

    fn status(status: u16) -> OciError {
        OciError::Status(Box::new(StatusError {
            status,
            code: None,
            message: String::new(),
            param: None,
            opc_request_id: None,
            retry_after: None,
        }))
    }

    #[test]
    fn the_table() {
        for code in [400, 401, 403, 404, 413, 422, 429, 501] {
            assert_eq!(judge(&status(code)), Next::Answer, "{code}");
        }
        for code in [409, 500, 502, 503, 504, 599] {
            assert_eq!(judge(&status(code)), Next::Again, "{code}");
        }
        assert_eq!(
            judge(&OciError::Unreachable {
                phase: Phase::Connect,
                why: String::new()
            }),
            Next::Again
        );
        assert_eq!(
            judge(&OciError::Timeout {
                phase: Phase::Answer,
                after: Duration::ZERO
            }),
            Next::Again
        );
        assert_eq!(judge(&OciError::Broken { why: String::new() }), Next::Again);
        assert_eq!(judge(&OciError::Cancelled), Next::Answer);
        for (code, message, next) in [
            (None, "the vendor failed", Next::Again),
            (Some("500"), "the vendor failed", Next::Again),
            (Some("ServiceUnavailable"), "", Next::Again),
            (Some("TooManyRequests"), "slow down", Next::Answer),
            (Some("429"), "slow down", Next::Answer),
            (Some("NotAuthorized"), "no", Next::Answer),
            (Some("501"), "no", Next::Answer),
            (Some("content_filter"), "blocked", Next::Answer),
            (
                None,
                "This model's maximum context length is 1",
                Next::Answer,
            ),
        ] {
            let event = OciError::Event {
                code: code.map(str::to_owned),
                message: message.to_owned(),
            };
            assert_eq!(judge(&event), next, "{code:?} {message}");
        }
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        assert_eq!(pause(1, 0), Duration::from_millis(250));
        assert!(pause(1, 999) < Duration::from_millis(500));
        assert_eq!(pause(2, 0), Duration::from_millis(500));
        assert_eq!(pause(20, 0), Duration::from_secs(4));
        assert!(pause(u32::MAX, u32::MAX) <= MAX_PAUSE);
    }
}
