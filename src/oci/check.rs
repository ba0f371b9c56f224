//! A look at one account that costs no tokens: does the service answer, and does it take the signature? What that means for the
//! account is decided elsewhere. Source: reference §1.2, §1.3, §8.

use std::time::{Duration, Instant};

use super::Upstream;
use super::answer;
use super::call::{Call, Flow};
use super::clock::Skew;
use super::error::OciError;
use super::exchange::{self, Base, Sent};
use super::usable;
use crate::names::RequestId;

/// One model is enough to see that the list may be read. It stands on the control plane's host: this proves the credentials and
/// that the region's control plane is reached.
const MODELS: &str = "/20231130/models?capability=CHAT&limit=1&compartmentId=";
/// A short list on the inference host itself: this proves that it is reached. Which regions and policies give it is not
/// documented.
const GUARDRAILS: &str = "/20231130/guardrailVersions?limit=1&compartmentId=";

impl Upstream {
    /// Asks the control plane for a model.
    pub(crate) fn check_control(
        &self,
        request_id: &RequestId,
        timeout: Duration,
    ) -> Result<(), OciError> {
        self.get(usable(&self.control)?, MODELS, request_id, timeout)
    }

    /// Asks the inference service for its guardrails' versions.
    pub(crate) fn check_inference(
        &self,
        request_id: &RequestId,
        timeout: Duration,
    ) -> Result<(), OciError> {
        self.get(usable(&self.inference)?, GUARDRAILS, request_id, timeout)
    }

    /// What the latest answer of either showed of their clocks; the inference service's if both did.
    pub(crate) fn skew(&self) -> Option<Skew> {
        let of = |base: &Result<Base, String>| self.client.skew(base.as_ref().ok()?);
        of(&self.inference).or_else(|| of(&self.control))
    }

    fn get(
        &self,
        base: &Base,
        path: &str,
        request_id: &RequestId,
        timeout: Duration,
    ) -> Result<(), OciError> {
        // An OCID has nothing that a query would have to escape.
        let target = base.target(&format!("{path}{}", self.compartment_id));
        let sent = Sent {
            base,
            target: &target,
            body: None,
            compartment_id: &self.compartment_id,
            request_id,
            sign: &|date| self.sign(base, &target, None, date),
        };
        let call = Call::enter(
            Box::new(|| Flow::Continue),
            Instant::now() + timeout,
            timeout,
            self.client.connect_timeout(),
        )?;
        let response = exchange::send(&self.client, &sent, &call)?;
        answer::discard(response, call)
    }
}
