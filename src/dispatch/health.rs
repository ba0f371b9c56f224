//! Health checks: what each account's probes say, all accounts at the same time, in the background. They cost no tokens, take no
//! slot and never touch a breaker. What follows from a check is `accounts::health`'s business.
//!
//! What is asked: first for one model of the control plane's list. A yes proves that the credentials are good and the region is
//! reached; 401 proves that they are not. Everything else says little of the inference service, which has a host of its own
//! (the list may be forbidden by policy, or that host shut off by a firewall), so then a short list there is asked for: any
//! answer shows that it is reached, and one that is not 401 that it takes the signature.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::accounts::health::Check;
use crate::accounts::seat::SeatNumber;
use crate::dispatch::{Account, Dispatch};
use crate::names::RequestId;
use crate::oci::Upstream;
use crate::oci::error::OciError;
use crate::oci::keys::KeyError;

/// Longest check of one account: half for each of its two questions.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);
/// Accounts that are checked at the same time.
const CHECKS_AT_ONCE: usize = 32;
/// Stack of a checking thread, as a worker's: a TLS handshake is the deepest it goes.
const STACK_BYTES: usize = 1024 * 1024;

/// What a look at an account found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finding {
    Good,
    /// The service is there and takes the signature; this is why it says no more.
    Silent(OciError),
    /// The service is there, and what it says proves nothing: of an account that does not sign.
    Unproven(OciError),
    /// The credentials are refused, or the service cannot be reached.
    Bad(OciError),
}

impl Finding {
    fn check(self) -> Check {
        match self {
            Self::Good => Check::Good,
            Self::Silent(_) => Check::Silent,
            Self::Unproven(_) => Check::Reached,
            Self::Bad(error) => Check::Bad(error.to_string()),
        }
    }
}

/// An account and why it takes no requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) account: String,
    /// `None`: it is well.
    pub(crate) trouble: Option<String>,
}

impl Dispatch {
    /// Checks all accounts; returns when the last check has ended, with how each account is now.
    pub(crate) fn check_health(&self, new_id: impl Fn() -> RequestId) -> Vec<Condition> {
        let accounts = self.accounts();
        let accounts: Vec<_> = accounts
            .iter()
            .map(|(number, account)| (*number, account, new_id()))
            .collect();
        for_all(&accounts, |(number, account, id)| {
            self.check(*number, account, id);
        });
        self.conditions()
    }

    /// How each account is.
    pub(crate) fn conditions(&self) -> Vec<Condition> {
        let (view, _) = self.view();
        let seats = view.seats.into_iter();
        seats
            .map(|seat| Condition {
                account: seat.settings.id.as_str().to_owned(),
                trouble: seat.trouble,
            })
            .collect()
    }

    fn check(&self, number: SeatNumber, account: &Arc<Account>, id: &RequestId) {
        // One whose key does not load needs no check: it is out until a reload.
        let Ok(upstream) = &account.upstream else {
            return;
        };
        // Without a token there is nothing to ask with, which says nothing of the service.
        if upstream.lacks_credential().is_some() {
            return;
        }
        let finding = look(upstream, id);
        log::debug!("health of {}: {finding:?}", account.id);
        self.lasting.slots.checked(number, finding.check());
    }

    /// Looks which accounts have a token now: an account without one takes no requests, and what was held against an old one is
    /// forgotten. No connection is made. `true`: one that was out has one again, and deserves a check.
    pub(crate) fn look_at_credentials(&self) -> bool {
        let (view, _) = self.view();
        let mut is_back = false;
        for (number, account) in self.accounts() {
            let lacks = account.lacks_credential();
            let is_new = account.has_new_token();
            let Some(seat) = view.seats.iter().find(|seat| seat.number == number) else {
                continue;
            };
            if seat.locked_out != lacks || (is_new && seat.trouble.is_some()) {
                is_back |= lacks.is_none();
                self.lasting.slots.credential(number, lacks, is_new);
            }
        }
        is_back
    }
}

impl Account {
    /// Looks at the account as a health check does. An error if its key does not load.
    pub(crate) fn look(&self, id: &RequestId) -> Result<Finding, &KeyError> {
        self.upstream.as_ref().map(|upstream| look(upstream, id))
    }
}

/// Runs a check of each at the same time, `CHECKS_AT_ONCE` at most; the results in the order of the items. A check that panics
/// has none, and that is in the log.
pub(crate) fn for_all<T: Sync, R: Send>(
    items: &[T],
    check: impl Fn(&T) -> R + Sync,
) -> Vec<Option<R>> {
    let mut results = Vec::with_capacity(items.len());
    for some in items.chunks(CHECKS_AT_ONCE) {
        thread::scope(|scope| {
            let mut running = Vec::new();
            for item in some {
                let check = &check;
                let spawned = thread::Builder::new()
                    .name("health".to_owned())
                    .stack_size(STACK_BYTES)
                    .spawn_scoped(scope, move || check(item));
                if let Err(error) = &spawned {
                    log::warn!("warning: an account is not checked: {error}");
                }
                running.push(spawned.ok());
            }
            for check in running {
                results.push(check.and_then(|check| check.join().ok()));
            }
        });
    }
    results
}

fn look(upstream: &Upstream, id: &RequestId) -> Finding {
    let timeout = CHECK_TIMEOUT / 2;
    if !upstream.signs() {
        return without_signature(upstream.check_inference(id, timeout));
    }
    let control = upstream.check_control(id, timeout);
    conclusion(control, || upstream.check_inference(id, timeout))
}

/// What the OpenAI-compatible API's list says of an API key. Good keys are refused there too.
fn without_signature(answer: Result<(), OciError>) -> Finding {
    match answer {
        Ok(()) => Finding::Good,
        Err(OciError::Status(status)) if status.status < 500 => {
            Finding::Unproven(OciError::Status(status))
        }
        Err(error) => Finding::Bad(error),
    }
}

/// What the control plane's answer says, and if that is not enough, the inference service's.
fn conclusion(
    control: Result<(), OciError>,
    inference: impl FnOnce() -> Result<(), OciError>,
) -> Finding {
    let refused = |error: &OciError| matches!(error, OciError::Status(s) if s.status == 401);
    match control {
        Ok(()) => return Finding::Good,
        Err(error) if refused(&error) => return Finding::Bad(error),
        Err(_) => {}
    }
    match inference() {
        Ok(()) => Finding::Good,
        Err(OciError::Status(status)) if status.status < 500 && status.status != 401 => {
            Finding::Silent(OciError::Status(status))
        }
        Err(error) => Finding::Bad(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::error::{Phase, StatusError};

    fn status(status: u16) -> OciError {
        OciError::Status(Box::new(StatusError {
            status,
            code: None,
            message: "m".to_owned(),
            param: None,
            opc_request_id: None,
            retry_after: None,
        }))
    }

    fn unreachable() -> OciError {
        OciError::Unreachable {
            phase: Phase::Connect,
            why: "refused".to_owned(),
        }
    }

    fn check(control: Result<(), OciError>, inference: Result<(), OciError>, expected: &str) {
        let found = match conclusion(control.clone(), || inference.clone()) {
            Finding::Good => "good",
            Finding::Bad(_) => "bad",
            Finding::Silent(_) => "silent",
            Finding::Unproven(_) => "unproven",
        };
        assert_eq!(found, expected, "{control:?} {inference:?}");
    }

    #[test]
    fn what_two_answers_say_of_an_account() {
        check(Ok(()), Err(unreachable()), "good");
        check(Err(status(401)), Ok(()), "bad");
        for control in [403, 404, 429, 500, 503] {
            check(Err(status(control)), Ok(()), "good");
            check(Err(status(control)), Err(status(401)), "bad");
            check(Err(status(control)), Err(status(503)), "bad");
            check(Err(status(control)), Err(unreachable()), "bad");
            for inference in [403, 404, 429, 400] {
                check(Err(status(control)), Err(status(inference)), "silent");
            }
        }
        check(Err(unreachable()), Ok(()), "good");
        check(Err(unreachable()), Err(status(404)), "silent");
        check(Err(unreachable()), Err(unreachable()), "bad");
    }

    #[test]
    fn a_refused_list_proves_nothing_of_an_api_key() {
        let found = |answer| without_signature(answer).check();
        assert_eq!(found(Ok(())), Check::Good);
        for code in [401, 403, 404] {
            assert_eq!(found(Err(status(code))), Check::Reached);
        }
        for error in [status(503), unreachable()] {
            assert!(matches!(found(Err(error)), Check::Bad(_)));
        }
    }
}
