//! What the demo's accounts suffer, so that one sees a fleet at work: one is well, one is throttled, and one is down now
//! and then. Pure: who asks, for what and when comes in as an argument.

use std::time::Duration;

use crate::simulator::Script;

/// The account that throttles, and of how many chat calls the last one.
pub(super) const THROTTLED: &str = "DEMO_2";
const THROTTLED_EVERY: u64 = 3;
/// The account that is down now and then.
pub(super) const DYING: &str = "DEMO_3";
/// From here to there in every such period, counted from the start, it is down.
const DOWN_FROM: Duration = Duration::from_secs(20);
const DOWN_UNTIL: Duration = Duration::from_secs(50);
const DOWN_EVERY: Duration = Duration::from_secs(90);

/// What an account is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A chat call, by its number among the account's own: the first is 1.
    Chat(u64),
    /// For what the service lists, of the control plane or of the inference plane.
    List,
}

/// What an account answers in place of what it was asked for; `None`: nothing is wrong. `since_start`: of the demo.
pub(super) fn trouble(account: &str, asked: Asked, since_start: Duration) -> Option<Script> {
    match (account, asked) {
        // Without Retry-After, as OCI sends it: how long to wait is for the proxy to find out.
        (THROTTLED, Asked::Chat(number)) if number % THROTTLED_EVERY == 0 => Some(error(
            429,
            "TooManyRequests",
            "Too many requests for the given tenancy",
        )),
        (DYING, Asked::Chat(_) | Asked::List) if is_down(since_start) => Some(error(
            503,
            "ServiceUnavailable",
            "The service is currently unavailable.",
        )),
        (_, Asked::Chat(_) | Asked::List) => None,
    }
}

fn is_down(since_start: Duration) -> bool {
    let into_period = since_start.as_millis() % DOWN_EVERY.as_millis();
    (DOWN_FROM.as_millis()..DOWN_UNTIL.as_millis()).contains(&into_period)
}

/// An error in OCI's shape. The texts have nothing that JSON would have to escape.
fn error(status: u16, code: &str, message: &str) -> Script {
    Script::status(
        status,
        format!("{{\"code\":\"{code}\",\"message\":\"{message}\"}}"),
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "a test may fail")]

    use super::*;

    fn check(account: &str, asked: Asked, seconds: f64, expected: Option<u16>) {
        let script = trouble(account, asked, Duration::from_secs_f64(seconds));
        let status = script.map(|script| match script {
            Script::Status {
                status, headers, ..
            } if headers.is_empty() => status,
            other => panic!("{other:?}"),
        });
        assert_eq!(status, expected, "{account} {asked:?} after {seconds} s");
    }

    #[test]
    fn the_first_is_always_well() {
        for seconds in [0.0, 20.0, 35.0, 89.0, 3600.0] {
            for asked in [Asked::Chat(1), Asked::Chat(3), Asked::List] {
                check("DEMO_1", asked, seconds, None);
            }
        }
    }

    #[test]
    fn every_third_chat_call_of_the_second_is_throttled_at_any_time() {
        for (number, expected) in (1..=9).zip([None, None, Some(429)].into_iter().cycle()) {
            check("DEMO_2", Asked::Chat(number), 0.0, expected);
            check("DEMO_2", Asked::Chat(number), 30.0, expected);
        }
        check("DEMO_2", Asked::List, 30.0, None);
    }

    #[test]
    fn the_third_is_down_for_half_a_minute_of_every_minute_and_a_half() {
        let times = [
            (0.0, None),
            (19.999, None),
            (20.0, Some(503)),
            (49.999, Some(503)),
            (50.0, None),
            (109.999, None),
            (110.0, Some(503)),
            (140.0, None),
            (90_000.0 + 25.0, Some(503)),
        ];
        for (seconds, expected) in times {
            for asked in [Asked::Chat(1), Asked::Chat(3), Asked::List] {
                check("DEMO_3", asked, seconds, expected);
            }
        }
    }
}
