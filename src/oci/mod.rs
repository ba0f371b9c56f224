//! The upstream edge: one account at OCI, and chat calls to it. The only room that names ureq and keys. Blocking; a
//! call is stopped by its deadline or by the hook that its caller hands in. It never decides what a failure means for
//! the account or the client, and never tries another account. Source: OCI API 20231130; reference §1.2, §2, §6, §8.

mod answer;
mod call;
mod check;
mod clock;
pub(crate) mod error;
mod exchange;
#[cfg(test)]
mod fuzz;
pub(crate) mod keys;
pub(crate) mod region;
mod resolver;
pub(crate) mod signer;
pub(crate) mod sse;
mod stream;
#[cfg(test)]
mod tests;
mod transport;
pub(crate) mod wire;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use self::call::Call;
use self::error::{OciError, Phase};
use self::exchange::{Base, Sent};
use self::keys::{KeyError, PrivateKey};
use self::signer::Signer;
use crate::cores;
use crate::names::{Region, RequestId, Secret};

pub(crate) use self::call::{Flow, Hook};
pub(crate) use self::clock::Skew;
pub(crate) use self::exchange::{Client, ClientSettings};
pub(crate) use self::stream::{ChatStream, StreamItem};

/// Source: reference §1.2.
const CHAT: &str = "/20231130/actions/chat";

/// One account's credentials and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpstreamSettings {
    pub(crate) user: String,
    pub(crate) tenancy: String,
    /// Of the key, in lower case, with colons.
    pub(crate) fingerprint: String,
    pub(crate) key_file: PathBuf,
    pub(crate) pass_phrase: Option<Secret>,
    pub(crate) region: Region,
    pub(crate) compartment_id: String,
    /// Base URL of the inference service; without it, the region's.
    pub(crate) endpoint: Option<String>,
    /// Base URL of the control plane, for health checks; without it, the region's.
    pub(crate) control_endpoint: Option<String>,
}

/// One account, ready to be called from any thread.
pub(crate) struct Upstream {
    client: Client,
    signer: Signer,
    compartment_id: String,
    /// `Err`: the endpoint as configured, which is not a URL.
    inference: Result<Base, String>,
    control: Result<Base, String>,
}

/// What bounds one call.
#[derive(Debug, Clone)]
pub(crate) struct CallLimits {
    /// A whole answer is here by then, of a stream the first event.
    pub(crate) first_event_by: Instant,
    /// The limit that `first_event_by` came from, for the error.
    pub(crate) first_event_timeout: Duration,
    /// Longest silence of a stream after its first event.
    pub(crate) idle: Duration,
    pub(crate) request_id: RequestId,
}

#[derive(Debug)]
pub(crate) enum Answer {
    Whole(WholeAnswer),
    Stream(ChatStream),
}

#[derive(Debug)]
pub(crate) struct WholeAnswer {
    pub(crate) result: wire::ChatResult,
    pub(crate) opc_request_id: Option<String>,
}

impl Upstream {
    /// Reads the key and checks it against the configured fingerprint. Makes no connection.
    pub(crate) fn new(settings: &UpstreamSettings, client: &Client) -> Result<Self, KeyError> {
        let key = PrivateKey::load(&settings.key_file, settings.pass_phrase.as_ref())?;
        key.check_fingerprint(&settings.fingerprint)?;
        let key_id = signer::key_id(&settings.tenancy, &settings.user, &settings.fingerprint);
        let endpoint = settings.endpoint.clone().unwrap_or_else(|| {
            let host = region::inference_host(&settings.region, &settings.tenancy);
            format!("https://{host}")
        });
        let control = settings.control_endpoint.clone().unwrap_or_else(|| {
            let host = region::control_host(&settings.region, &settings.tenancy);
            format!("https://{host}")
        });
        Ok(Self {
            client: client.clone(),
            signer: Signer::new(key, key_id)?,
            compartment_id: settings.compartment_id.clone(),
            inference: Base::parse(&endpoint).ok_or(endpoint),
            control: Base::parse(&control).ok_or(control),
        })
    }

    /// One chat call, up to its whole answer or to the first event of its stream. The hook is asked every `call::TICK`
    /// while this waits, and as long as the stream is read. Errors: every `OciError` but `Event`; a status other than
    /// 2xx is `Status`, redirects too. The call is repeated only if an idle connection turned out to be closed.
    #[inline(never)]
    pub(crate) fn open(
        &self,
        serving: &wire::ServingMode,
        request: &wire::ChatRequest,
        limits: &CallLimits,
        hook: Hook,
    ) -> Result<Answer, OciError> {
        let base = usable(&self.inference)?;
        let details = wire::ChatDetails {
            compartment_id: &self.compartment_id,
            serving_mode: serving,
            chat_request: request,
        };
        let body = serde_json::to_vec(&details).map_err(|error| OciError::Unreachable {
            phase: Phase::Connect,
            why: call::one_line(&format!("the request cannot be written as JSON: {error}")),
        })?;
        let target = base.target(CHAT);
        let sent = Sent {
            base,
            target: &target,
            body: Some(&body),
            compartment_id: &self.compartment_id,
            request_id: &limits.request_id,
            sign: &|date| self.sign(base, &target, Some(&body), date),
        };
        chat(&self.client, &sent, limits, hook)
    }

    /// Signs a POST, or without a body a GET.
    fn sign(
        &self,
        base: &Base,
        target: &str,
        body: Option<&[u8]>,
        date: SystemTime,
    ) -> signer::Signed {
        let request = signer::Request {
            method: if body.is_some() { "POST" } else { "GET" },
            target,
            host: &base.host,
            body: body.map(|bytes| signer::Body {
                content_type: exchange::JSON,
                bytes,
            }),
        };
        let _core = cores::take();
        self.signer.sign(&request, date)
    }
}

/// The base, or the error that it is none.
fn usable(base: &Result<Base, String>) -> Result<&Base, OciError> {
    base.as_ref().map_err(|endpoint| OciError::Unreachable {
        phase: Phase::Connect,
        why: call::one_line(&format!("the endpoint is not a URL: {endpoint}")),
    })
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("inference", &self.inference)
            .finish_non_exhaustive()
    }
}

/// The call itself, without an account.
fn chat(
    client: &Client,
    sent: &Sent<'_>,
    limits: &CallLimits,
    hook: Hook,
) -> Result<Answer, OciError> {
    let call = Call::enter(
        hook,
        limits.first_event_by,
        limits.first_event_timeout,
        client.connect_timeout(),
    )?;
    let response = exchange::send(client, sent, &call)?;
    answer::read(response, call, limits)
}
