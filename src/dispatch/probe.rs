//! A trial call to each account, for `/test-oci`: real, tiny, and counted for or against nobody. It takes no slot.

use std::thread;
use std::time::{Duration, Instant};

use crate::dispatch::{Account, Dispatch};
use crate::names::{AccountId, RequestId};
use crate::oci::error::{OciError, Phase};
use crate::oci::wire::{ChatRequest, ServingMode};
use crate::oci::{CallLimits, Flow, Hook};
use crate::translate::passthrough::Passed;

/// Longest trial of one account.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(15);

/// What a trial asks, through either API or both. An account that signs is asked through the native one, if that will do.
pub(crate) struct Question {
    pub(crate) native: Option<(ServingMode, ChatRequest)>,
    pub(crate) passed: Option<Passed>,
}

impl Question {
    /// Whether the account could be asked it at all.
    fn is_for(&self, account: &Account) -> bool {
        account.signs() || self.passed.is_some()
    }
}

/// How a trial went.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) account: AccountId,
    pub(crate) latency: Duration,
    pub(crate) error: Option<OciError>,
}

impl Dispatch {
    /// Tries the accounts that `wanted` names, all at the same time. Unless they are named one by one, those that cannot be asked this are left out.
    pub(crate) fn try_accounts(
        &self,
        wanted: impl Fn(&AccountId) -> bool,
        is_named: bool,
        question: &Question,
        request_id: &RequestId,
    ) -> Vec<Trial> {
        let accounts = self.accounts();
        let wanted = accounts
            .iter()
            .filter(|(_, account)| wanted(&account.id) && (is_named || question.is_for(account)));
        thread::scope(|scope| {
            let running: Vec<_> = wanted
                .map(|(_, account)| scope.spawn(move || try_account(account, question, request_id)))
                .collect();
            // A trial that panicked has no result; its account is missing in the answer, and the panic is in the log.
            running
                .into_iter()
                .filter_map(|trial| trial.join().ok())
                .collect()
        })
    }
}

fn try_account(account: &Account, question: &Question, request_id: &RequestId) -> Trial {
    let started = Instant::now();
    let limits = CallLimits {
        first_event_by: started + TRIAL_TIMEOUT,
        first_event_timeout: TRIAL_TIMEOUT,
        idle: TRIAL_TIMEOUT,
        request_id: request_id.clone(),
    };
    // Whoever asked may leave: the trial is short and harms nobody.
    let hook: Hook = Box::new(|| Flow::Continue);
    let native = question.native.as_ref();
    let error = match (native, &question.passed) {
        (Some((serving, request)), None) => account.call(serving, request, &limits, hook).err(),
        (Some((serving, request)), Some(_)) if account.signs() => {
            account.call(serving, request, &limits, hook).err()
        }
        (_, Some(passed)) => account.call_copied(passed, &limits, hook).err(),
        (None, None) => Some(OciError::Cancelled),
    };
    Trial {
        account: account.id.clone(),
        latency: started.elapsed(),
        error,
    }
}

/// What to do about a failed trial, for the operator.
pub(crate) fn hint(error: &OciError) -> &'static str {
    match error {
        OciError::Status(status) => hint_of_status(status.status),
        OciError::Unreachable {
            phase: Phase::Connect,
            ..
        }
        | OciError::Timeout {
            phase: Phase::Connect,
            ..
        } => {
            "Check region and endpoint, DNS, and that outgoing HTTPS to port 443 is allowed (a proxy is taken from HTTPS_PROXY)."
        }
        OciError::Unreachable { .. } => {
            "The connection was closed without an answer: check proxies and firewalls on the way."
        }
        OciError::Timeout { .. } => "OCI did not answer in time: try again, or another model.",
        OciError::Broken { .. } | OciError::Event { .. } => {
            "The answer is not one of OCI's: check endpoint and proxies on the way."
        }
        OciError::NoCredential { .. } => {
            "Nothing was sent: see why the account has no valid token, or which calls its API key cannot make."
        }
        OciError::Cancelled => "The trial was stopped.",
    }
}

/// What to do about an answer of OCI's with this status.
pub(crate) fn hint_of_status(status: u16) -> &'static str {
    match status {
        400 | 422 => {
            "OCI took the signature but not the request: the model may need another format or parameter."
        }
        401 => {
            "Compare user, tenancy and fingerprint with the OCI console, check that key_file belongs to the fingerprint, and that the clock is right (within 5 minutes)."
        }
        403 => {
            "The signature is good but a policy is missing: allow the user's group to use generative-ai-family in the compartment."
        }
        404 => {
            "Either the model is not offered in this region (or is retired), or compartment_id is wrong, or a policy for generative-ai-family is missing."
        }
        429 => {
            "OCI throttles this tenancy for this model: wait, or use another model, region or account."
        }
        500..=599 => {
            "OCI itself fails: try again later; if it stays, open a ticket with the opc_request_id."
        }
        _ => "See OCI's message.",
    }
}
