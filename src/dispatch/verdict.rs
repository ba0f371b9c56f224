//! What to do about an upstream error: the table. What the client is told about it stands in `translate::error`. Pure.

use std::time::Duration;

use crate::accounts::seat::Ending;
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
    /// Another account may do better; the same one would not.
    Elsewhere,
    /// Another account may do better, and the same one a little later.
    Anywhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// What it says about the account.
    pub(crate) ending: Ending,
    /// What comes then, if nothing has reached the client yet.
    pub(crate) next: Next,
}

/// Judges a failed attempt. Source: reference §8; Oracle's own clients repeat chat calls after time-outs, connection errors, 409
/// and 5xx except 501. 429 is not repeated on the same account: OCI blocks who hammers it, and the client's own back-off
/// knows best.
pub(crate) fn judge(error: &OciError) -> Verdict {
    match error {
        OciError::Status(status) => by_status(status.status, status.retry_after, error),
        OciError::Event { code, .. } => match code.as_deref().and_then(status_of_code) {
            Some(status) => by_status(status, None, error),
            // Without a code its words may say that the request is at fault.
            None if is_the_requests_fault(error) => verdict(Ending::Unknown, Next::Answer),
            None => verdict(Ending::Outage, Next::Anywhere),
        },
        OciError::Unreachable { .. } | OciError::Timeout { .. } | OciError::Broken { .. } => {
            verdict(Ending::Outage, Next::Anywhere)
        }
        OciError::NoCredential { .. } => verdict(Ending::LockedOut, Next::Elsewhere),
        OciError::Cancelled => verdict(Ending::Unknown, Next::Answer),
    }
}

/// The same of a refusal that may be about the OpenAI-compatible API alone, or about a response that OCI is asked to go on with: it
/// says nothing of the account, which may well serve through the other API, nor of the model there.
pub(crate) fn judge_doubtful(error: &OciError) -> Verdict {
    let judged = judge(error);
    match judged.ending {
        Ending::Missing | Ending::Refused { .. } => verdict(Ending::Unknown, judged.next),
        Ending::Success { .. }
        | Ending::Outage
        | Ending::Throttled { .. }
        | Ending::LockedOut
        | Ending::Unknown => judged,
    }
}

fn by_status(status: u16, retry_after: Option<Duration>, error: &OciError) -> Verdict {
    match status {
        // xAI refuses what a prompt says with 403, too.
        403 if is_the_requests_fault(error) => verdict(Ending::Unknown, Next::Answer),
        401 | 403 => {
            let signature = status == 401;
            verdict(Ending::Refused { signature }, Next::Elsewhere)
        }
        404 => verdict(Ending::Missing, Next::Elsewhere),
        429 => verdict(Ending::Throttled { retry_after }, Next::Elsewhere),
        // A tenancy's quota is used up; another tenancy has its own.
        400 if translate::error(error).status == 429 => {
            verdict(Ending::Throttled { retry_after }, Next::Elsewhere)
        }
        409 => verdict(Ending::Unknown, Next::Anywhere),
        500 | 502..=599 => verdict(Ending::Outage, Next::Anywhere),
        // Nothing that OCI says: a gateway on the way, a wrong endpoint.
        300..=399 => verdict(Ending::Outage, Next::Elsewhere),
        _ => verdict(Ending::Unknown, Next::Answer),
    }
}

fn is_the_requests_fault(error: &OciError) -> bool {
    translate::error(error).status < 500
}

fn verdict(ending: Ending, next: Next) -> Verdict {
    Verdict { ending, next }
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

    fn check(error: &OciError, ending: Ending, next: Next) {
        assert_eq!(judge(error), verdict(ending, next), "{error:?}");
    }

    #[test]
    fn a_missing_api_is_no_missing_model_and_no_bad_account() {
        for (code, ending) in [
            (404, Ending::Unknown),
            (401, Ending::Unknown),
            (403, Ending::Unknown),
            (500, Ending::Outage),
        ] {
            let error = status(code);
            let expected = verdict(ending, judge(&error).next);
            assert_eq!(judge_doubtful(&error), expected);
        }
    }

    #[test]
    fn the_table_of_statuses() {
        use Next::{Answer, Anywhere, Elsewhere};
        for code in [400, 402, 413, 422, 501] {
            check(&status(code), Ending::Unknown, Answer);
        }
        for code in [500, 502, 503, 504, 599] {
            check(&status(code), Ending::Outage, Anywhere);
        }
        check(&status(302), Ending::Outage, Elsewhere);
        check(&status(409), Ending::Unknown, Anywhere);
        check(&status(401), Ending::Refused { signature: true }, Elsewhere);
        check(
            &status(403),
            Ending::Refused { signature: false },
            Elsewhere,
        );
        check(&status(404), Ending::Missing, Elsewhere);
        check(
            &status(429),
            Ending::Throttled { retry_after: None },
            Elsewhere,
        );
        let OciError::Status(mut error) = status(429) else {
            unreachable!("a status")
        };
        let retry_after = Some(Duration::from_secs(7));
        error.retry_after = retry_after;
        check(
            &OciError::Status(error.clone()),
            Ending::Throttled { retry_after },
            Elsewhere,
        );
        (error.status, error.retry_after) = (400, None);
        error.code = Some("QuotaExceeded".to_owned());
        let quota = Ending::Throttled { retry_after: None };
        check(&OciError::Status(error.clone()), quota, Elsewhere);
        (error.status, error.code) = (403, Some("403".to_owned()));
        error.message = "Content violates usage guidelines.".to_owned();
        check(&OciError::Status(error), Ending::Unknown, Answer);
    }

    #[test]
    fn the_table_of_other_failures() {
        use Next::{Answer, Anywhere, Elsewhere};
        let why = String::new();
        let phase = Phase::Connect;
        let unreachable = OciError::Unreachable {
            phase,
            why: why.clone(),
        };
        check(&unreachable, Ending::Outage, Anywhere);
        let after = Duration::ZERO;
        check(
            &OciError::Timeout { phase, after },
            Ending::Outage,
            Anywhere,
        );
        check(&OciError::Broken { why }, Ending::Outage, Anywhere);
        check(&OciError::Cancelled, Ending::Unknown, Answer);
        let why = String::new();
        check(
            &OciError::NoCredential { why },
            Ending::LockedOut,
            Elsewhere,
        );
        let throttled = Ending::Throttled { retry_after: None };
        let refused = Ending::Refused { signature: false };
        for (code, message, ending, next) in [
            (None, "the vendor failed", Ending::Outage, Anywhere),
            (Some("500"), "the vendor failed", Ending::Outage, Anywhere),
            (Some("ServiceUnavailable"), "", Ending::Outage, Anywhere),
            (Some("TooManyRequests"), "slow down", throttled, Elsewhere),
            (Some("429"), "slow down", throttled, Elsewhere),
            (Some("NotAuthorized"), "no", refused, Elsewhere),
            (Some("501"), "no", Ending::Unknown, Answer),
            (Some("content_filter"), "blocked", Ending::Unknown, Answer),
            (
                None,
                "This model's maximum context length is 1",
                Ending::Unknown,
                Answer,
            ),
        ] {
            let event = OciError::Event {
                code: code.map(str::to_owned),
                message: message.to_owned(),
            };
            check(&event, ending, next);
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
