//! A look at one account that costs no tokens: does the service answer, and does it take the signature? What that means for the
//! account is decided elsewhere. Source: reference §1.2, §1.3, §8.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer;
use super::call::{Call, Flow};
use super::clock::Skew;
use super::credential::Login;
use super::error::OciError;
use super::exchange::Base;
use super::{Upstream, What, usable};
use crate::names::RequestId;

/// One model is enough to see that the list may be read. It stands on the control plane's host: this proves the credentials and
/// that the region's control plane is reached.
const MODELS: &str = "/20231130/models?capability=CHAT&limit=1&compartmentId=";
/// A short list on the inference host itself: this proves that it is reached. Which regions and policies give it is not
/// documented.
const GUARDRAILS: &str = "/20231130/guardrailVersions?limit=1&compartmentId=";

/// What the OpenAI-compatible API lists. For an API key of the service it is not reliable: only a good answer proves something.
const OPENAI_MODELS: &str = "/openai/v1/models";

impl Upstream {
    /// Asks the control plane for a model.
    pub(crate) fn check_control(
        &self,
        request_id: &RequestId,
        timeout: Duration,
    ) -> Result<(), OciError> {
        let (login, place) = self.signing()?;
        // An OCID has nothing that a query would have to escape.
        let path = format!("{MODELS}{}", place.compartment_id);
        let base = usable(&place.control)?;
        self.get(&login, base, &path, request_id, timeout)
    }

    /// Asks the inference service for its guardrails' versions, or who does not sign for the models of the OpenAI-compatible API.
    pub(crate) fn check_inference(
        &self,
        request_id: &RequestId,
        timeout: Duration,
    ) -> Result<(), OciError> {
        let (login, place) = self.login()?;
        let path = if login.signs() {
            format!("{GUARDRAILS}{}", place.compartment_id)
        } else {
            OPENAI_MODELS.to_owned()
        };
        let base = usable(&place.inference)?;
        self.get(&login, base, &path, request_id, timeout)
    }

    /// Whether it signs, and so may call OCI's own API.
    pub(crate) fn signs(&self) -> bool {
        self.settings.identity.signs()
    }

    /// What the latest answer of either showed of their clocks; the inference service's if both did.
    pub(crate) fn skew(&self) -> Option<Skew> {
        let place = self.place.get()?;
        let of = |base: &Result<Base, String>| self.client.skew(base.as_ref().ok()?);
        of(&place.inference).or_else(|| of(&place.control))
    }

    fn get(
        &self,
        login: &Arc<Login>,
        base: &Base,
        path: &str,
        request_id: &RequestId,
        timeout: Duration,
    ) -> Result<(), OciError> {
        let compartment_id = self.place.get().map(|place| place.compartment_id.as_str());
        let what = What {
            base,
            target: &base.target(path),
            body: None,
            compartment_id: compartment_id.filter(|_| login.signs()),
            compartment_headers: &["opc-compartment-id"],
            request_id,
        };
        let call = Call::enter(
            Box::new(|| Flow::Continue),
            Instant::now() + timeout,
            timeout,
            self.client.connect_timeout(),
        )?;
        let response = self.send(login, &what, &call)?;
        answer::discard(response, call)
    }
}
