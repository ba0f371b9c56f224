//! Whether one account is accepted by OCI and can be reached: what checks, refusals and successful traffic say. Pure. Follows the
//! specification's §7.

use std::time::{Duration, Instant};

/// Failed checks in a row that mark an account down; before any other news the first one decides alone.
const FAILED_CHECKS: u32 = 2;
/// An account whose requests OCI refused gets another chance after this, for the case that no check can say anything about it:
/// checks are switched off, or a policy forbids them.
pub(crate) const SECOND_CHANCE: Duration = Duration::from_secs(600);

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Check {
    Good,
    /// The credentials are refused, or the service cannot be reached.
    Bad(String),
    /// The service is there and takes the signature, but may not or will not say more.
    Silent,
    /// The service is there; whether it takes the credentials is open.
    Reached,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Good,
    /// A request was refused with 401 or 403.
    Refused {
        why: String,
        since: Instant,
        until: Instant,
        /// 401: whatever takes the signature shows that it is over.
        signature: bool,
    },
    /// Checks failed.
    Down {
        why: String,
    },
}

#[derive(Debug)]
pub(crate) struct Health {
    state: State,
    /// Something is known: a check has ended, or a request.
    is_known: bool,
    failed_checks: u32,
    /// A request has succeeded since the last check.
    succeeded: bool,
}

impl Health {
    /// Nothing is known, which counts as good.
    pub(crate) fn new() -> Self {
        Self {
            state: State::Good,
            is_known: false,
            failed_checks: 0,
            succeeded: false,
        }
    }

    /// Why it takes no requests; `None` if it does.
    pub(crate) fn trouble(&self, now: Instant) -> Option<&str> {
        match &self.state {
            State::Good => None,
            State::Refused { why, until, .. } => (now < *until).then_some(why),
            State::Down { why } => Some(why),
        }
    }

    /// When it gets a second chance, if it waits for one.
    pub(crate) fn retry_at(&self, now: Instant) -> Option<Instant> {
        match &self.state {
            State::Refused { until, .. } => Some(*until).filter(|until| now < *until),
            State::Good | State::Down { .. } => None,
        }
    }

    /// A request that began at `began` was answered. One from before a refusal was let in before it, and says nothing about now.
    pub(crate) fn answered(&mut self, began: Instant) {
        if matches!(self.state, State::Refused { since, .. } if began < since) {
            return;
        }
        *self = Self {
            state: State::Good,
            is_known: true,
            failed_checks: 0,
            succeeded: true,
        };
    }

    /// A request was refused with 401 (`signature`) or 403.
    pub(crate) fn refused(&mut self, why: &str, signature: bool, now: Instant) {
        self.is_known = true;
        self.state = State::Refused {
            why: why.to_owned(),
            since: now,
            until: now + SECOND_CHANCE,
            signature,
        };
    }

    /// The account signs with something else now: that OCI has refused a signature says nothing any more.
    pub(crate) fn renewed(&mut self) {
        if let State::Refused {
            signature: true, ..
        } = self.state
        {
            self.state = State::Good;
        }
    }

    pub(crate) fn checked(&mut self, check: Check) {
        let succeeded = std::mem::take(&mut self.succeeded);
        let was_known = std::mem::replace(&mut self.is_known, true);
        match (check, &self.state) {
            (Check::Bad(why), _) if !succeeded => {
                self.failed_checks += 1;
                if !was_known || self.failed_checks >= FAILED_CHECKS {
                    self.state = State::Down { why };
                }
            }
            // Traffic goes through: whatever the check has met, it is not the account.
            (Check::Bad(_), _) => {}
            (
                Check::Silent,
                State::Refused {
                    signature: false, ..
                },
            ) => self.failed_checks = 0,
            // It is there again; that a request was refused stands.
            (Check::Reached, State::Refused { .. }) => self.failed_checks = 0,
            (Check::Reached | Check::Silent | Check::Good, _) => {
                self.failed_checks = 0;
                self.state = State::Good;
            }
        }
    }

    /// As if nothing were known.
    pub(crate) fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad() -> Check {
        Check::Bad("no connection".to_owned())
    }

    #[test]
    fn the_first_check_decides_alone_and_later_two_in_a_row() {
        let t0 = Instant::now();
        let mut health = Health::new();
        assert_eq!(health.trouble(t0), None);
        health.checked(bad());
        assert_eq!(health.trouble(t0), Some("no connection"));
        health.checked(Check::Good);
        assert_eq!(health.trouble(t0), None);
        health.checked(bad());
        assert_eq!(health.trouble(t0), None);
        health.checked(Check::Good);
        health.checked(bad());
        assert_eq!(health.trouble(t0), None);
        health.checked(bad());
        assert_eq!(health.trouble(t0), Some("no connection"));
        assert_eq!(health.retry_at(t0), None);
        health.reset();
        assert_eq!(health.trouble(t0), None);
    }

    #[test]
    fn a_service_that_is_there_again_is_up_but_a_refusal_stands() {
        let t0 = Instant::now();
        let mut health = Health::new();
        health.checked(bad());
        assert!(health.trouble(t0).is_some());
        health.checked(Check::Reached);
        assert_eq!(health.trouble(t0), None);
        // Two that fail are in a row only without one that does not between them.
        for check in [bad(), Check::Reached, bad()] {
            health.checked(check);
            assert_eq!(health.trouble(t0), None);
        }
        for signature in [true, false] {
            health.refused("401", signature, t0);
            health.checked(Check::Reached);
            assert_eq!(health.trouble(t0), Some("401"));
        }
    }

    #[test]
    fn successful_traffic_counts_as_health() {
        let t0 = Instant::now();
        let mut health = Health::new();
        health.answered(t0);
        health.checked(bad());
        health.answered(t0);
        health.checked(bad());
        health.answered(t0);
        health.checked(bad());
        assert_eq!(health.trouble(t0), None);
        health.checked(bad());
        health.checked(bad());
        assert!(health.trouble(t0).is_some());
        health.answered(t0);
        assert_eq!(health.trouble(t0), None);
    }

    #[test]
    fn a_refusal_lasts_until_a_check_a_success_or_its_second_chance() {
        let t0 = Instant::now();
        for (signature, cleared_by_silence) in [(true, true), (false, false)] {
            let mut health = Health::new();
            health.refused("401", signature, t0);
            assert_eq!(health.trouble(t0), Some("401"));
            assert_eq!(health.retry_at(t0), Some(t0 + SECOND_CHANCE));
            health.checked(Check::Silent);
            assert_eq!(health.trouble(t0).is_none(), cleared_by_silence);
            health.refused("401", signature, t0);
            health.checked(Check::Good);
            assert_eq!(health.trouble(t0), None);
            health.refused("401", signature, t0);
            health.checked(bad());
            assert_eq!(health.trouble(t0), Some("401"));
            assert_eq!(health.trouble(t0 + SECOND_CHANCE), None);
        }
    }

    #[test]
    fn an_answer_to_an_older_request_does_not_undo_a_refusal() {
        let t0 = Instant::now();
        let later = t0 + Duration::from_secs(5);
        let mut health = Health::new();
        health.refused("401", true, later);
        health.answered(t0);
        assert_eq!(health.trouble(later), Some("401"));
        health.answered(later);
        assert_eq!(health.trouble(later), None);
    }

    #[test]
    fn a_new_token_ends_what_was_held_against_the_old_one() {
        let t0 = Instant::now();
        for (signature, is_over) in [(true, true), (false, false)] {
            let mut health = Health::new();
            health.refused("no", signature, t0);
            health.renewed();
            assert_eq!(health.trouble(t0).is_none(), is_over);
        }
    }

    #[test]
    fn a_silent_check_is_no_trouble() {
        let mut health = Health::new();
        health.checked(Check::Silent);
        assert_eq!(health.trouble(Instant::now()), None);
        health.checked(bad());
        health.checked(bad());
        health.checked(Check::Silent);
        assert_eq!(health.trouble(Instant::now()), None);
    }
}
