//! The upstream edge: one account at OCI, and chat calls to it. The only room that names ureq and keys. Blocking; a
//! call is stopped by its deadline or by the hook that its caller hands in. It never decides what a failure means for
//! the account or the client, and never tries another account. Source: OCI API 20231130; reference §1.2, §2, §6, §8.

mod answer;
pub(crate) mod blocks;
mod call;
mod check;
mod clock;
mod credential;
pub(crate) mod error;
mod exchange;
#[cfg(test)]
mod fuzz;
pub(crate) mod keys;
mod models;
pub(crate) mod region;
mod resolver;
pub(crate) mod signer;
pub(crate) mod sse;
mod stream;
#[cfg(test)]
mod tests;
mod transport;
pub(crate) mod wire;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use ureq::Body;
use ureq::http::{Response, StatusCode};

use self::blocks::Blocks;
use self::call::Call;
use self::credential::{Credential, Login};
use self::error::{OciError, Phase};
use self::exchange::{Base, Sent};
use self::keys::KeyError;
use self::sse::Decoder;
use self::stream::Decode;
use crate::names::{Region, RequestId};

pub(crate) use self::call::{Flow, Hook};
pub(crate) use self::clock::Skew;
pub(crate) use self::credential::Identity;
pub(crate) use self::exchange::{Client, ClientSettings};
pub(crate) use self::stream::{ChatStream, StreamItem};

/// Source: reference §1.2.
const CHAT: &str = "/20231130/actions/chat";

/// One account's credentials and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UpstreamSettings {
    pub(crate) identity: Identity,
    /// `None`: where the machine is, which its metadata service knows.
    pub(crate) region: Option<Region>,
    /// `None`: the tenancy.
    pub(crate) compartment_id: Option<String>,
    /// Base URL of the inference service; without it, the region's.
    pub(crate) endpoint: Option<String>,
    /// Base URL of the control plane, for health checks; without it, the region's.
    pub(crate) control_endpoint: Option<String>,
}

/// One account, ready to be called from any thread.
pub(crate) struct Upstream {
    client: Client,
    credential: Credential,
    settings: UpstreamSettings,
    /// Known from the first login on: an instance learns there where it is.
    place: OnceLock<Place>,
}

/// Where an account's calls go.
#[derive(Debug)]
struct Place {
    region: Option<Region>,
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
pub(crate) enum Answer<W = wire::ChatResult, D: Decode = Decoder> {
    Whole(WholeAnswer<W>),
    Stream(ChatStream<D>),
}

/// An answer's bytes as they came.
pub(crate) type Copied = Answer<Vec<u8>, Blocks>;

#[derive(Debug)]
pub(crate) struct WholeAnswer<W = wire::ChatResult> {
    pub(crate) result: W,
    pub(crate) opc_request_id: Option<String>,
}

/// A whole answer to what is no chat.
#[derive(Debug)]
pub(crate) struct JsonAnswer {
    /// Begins as a JSON object; the rest is not checked.
    pub(crate) bytes: Vec<u8>,
    pub(crate) opc_request_id: Option<String>,
}

impl Upstream {
    /// Reads the key and checks it against the configured fingerprint, or whatever else the identity needs. Makes no connection
    /// itself. `before`: the same account as it is in service, whose token stays if its identity does.
    pub(crate) fn new(
        settings: &UpstreamSettings,
        client: &Client,
        before: Option<&Self>,
    ) -> Result<Self, KeyError> {
        let same = before.filter(|before| before.settings.identity == settings.identity);
        let same = same.map(|before| &before.credential);
        Ok(Self {
            client: client.clone(),
            credential: Credential::open(&settings.identity, client, same)?,
            settings: settings.clone(),
            place: OnceLock::new(),
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
        let details = |compartment_id: &str| {
            let details = wire::ChatDetails {
                compartment_id,
                serving_mode: serving,
                chat_request: request,
            };
            details.to_json()
        };
        self.post(CHAT, details, limits, hook, |response, call| {
            answer::read(response, call, limits, answer::parse)
        })
    }

    /// One call that is no chat, up to its whole answer. Errors: as of `open`.
    #[inline(never)]
    pub(crate) fn ask(
        &self,
        serving: &wire::ServingMode,
        ask: &wire::Ask<'_>,
        limits: &CallLimits,
        hook: Hook,
    ) -> Result<JsonAnswer, OciError> {
        let details = |compartment_id: &str| ask.to_json(compartment_id, serving);
        self.post(ask.path(), details, limits, hook, answer::read_json)
    }

    /// Signs and sends what `details` makes for the account's compartment, and hands the answer's head and the call to `read`.
    fn post<T>(
        &self,
        path: &str,
        details: impl FnOnce(&str) -> serde_json::Result<Vec<u8>>,
        limits: &CallLimits,
        hook: Hook,
        read: impl FnOnce(Response<Body>, Call) -> Result<T, OciError>,
    ) -> Result<T, OciError> {
        let (login, place) = self.signing()?;
        let base = usable(&place.inference)?;
        let body = details(&place.compartment_id).map_err(|error| unwritable(&error))?;
        let what = What {
            base,
            target: &base.target(path),
            body: Some(&body),
            compartment_id: None,
            compartment_headers: &[],
            request_id: &limits.request_id,
        };
        let call = enter(&self.client, limits, hook)?;
        let response = self.send(&login, &what, &call)?;
        read(response, call)
    }

    /// As [`Self::open`], of OCI's OpenAI-compatible API: a POST of `body`, JSON, to a path of it, whose answer's bytes are for
    /// the client. Who signs names its compartment in headers, which are not signed; an API key of the service says it itself.
    /// Source: reference §1.4.
    #[inline(never)]
    pub(crate) fn open_copied(
        &self,
        path: &str,
        body: &[u8],
        limits: &CallLimits,
        hook: Hook,
    ) -> Result<Copied, OciError> {
        let (login, place) = self.login()?;
        let base = usable(&place.inference)?;
        let what = What {
            base,
            target: &base.target(path),
            body: Some(body),
            compartment_id: Some(place.compartment_id.as_str()).filter(|_| login.signs()),
            compartment_headers: &["opc-compartment-id", "CompartmentId"],
            request_id: &limits.request_id,
        };
        let call = enter(&self.client, limits, hook)?;
        let response = self.send(&login, &what, &call)?;
        answer::read(response, call, limits, Ok)
    }

    /// Sends the request, which this login vouches for. What OCI refuses is sent once more if there is a newer token by then.
    fn send(
        &self,
        login: &Arc<Login>,
        what: &What<'_>,
        call: &Call,
    ) -> Result<Response<Body>, OciError> {
        let response = self.send_as(login, what, call)?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let Some(newer) = self.credential.refused(login) else {
            return Ok(response);
        };
        drop(response);
        self.send_as(&newer, what, call)
    }

    fn send_as(
        &self,
        login: &Login,
        what: &What<'_>,
        call: &Call,
    ) -> Result<Response<Body>, OciError> {
        let request = signer::Request {
            method: if what.body.is_some() { "POST" } else { "GET" },
            target: what.target,
            host: Some(&what.base.host),
            body: what.body.map(|bytes| signer::Body {
                content_type: exchange::JSON,
                bytes,
            }),
        };
        let sent = Sent {
            base: what.base,
            target: what.target,
            body: what.body,
            compartment_id: what.compartment_id,
            compartment_headers: what.compartment_headers,
            request_id: what.request_id,
            sign: &|date: SystemTime| login.sign(&request, date),
        };
        exchange::send(&self.client, &sent, call)
    }

    /// What to make a call with, and where.
    fn login(&self) -> Result<(Arc<Login>, &Place), OciError> {
        let login = self.credential.login(Instant::now())?;
        let place = self
            .place
            .get_or_init(|| Place::of(&self.settings, Some(&login)));
        Ok((login, place))
    }

    /// As `login`, for OCI's own API, which takes nothing but signatures.
    fn signing(&self) -> Result<(Arc<Login>, &Place), OciError> {
        let (login, place) = self.login()?;
        if login.signs() {
            return Ok((login, place));
        }
        Err(OciError::NoCredential {
            why: "an API key of the service (oci_api_key) makes no calls of OCI's own API, only those of its OpenAI-compatible one"
                .to_owned(),
        })
    }

    /// Why it has nothing valid to make calls with now.
    pub(crate) fn lacks_credential(&self) -> Option<String> {
        self.credential.trouble(Instant::now())
    }

    /// How many tokens it has had.
    pub(crate) fn tokens(&self) -> u64 {
        self.credential.count()
    }

    /// Waits until it is known whether it has, for a first time.
    pub(crate) fn wait_for_credential(&self, until: Instant) {
        self.credential.wait(until);
    }

    /// How long what it has is good for, if that is known.
    pub(crate) fn credential_valid_for(&self) -> Option<Duration> {
        let now = Instant::now();
        self.credential.login(now).ok()?.valid_for(now)
    }

    /// Where it is, if that is known.
    pub(crate) fn region(&self) -> Option<&Region> {
        let known = || self.place.get()?.region.as_ref();
        self.settings.region.as_ref().or_else(known)
    }
}

impl Place {
    fn of(settings: &UpstreamSettings, login: Option<&Login>) -> Self {
        let origin = login.map(|login| &login.origin);
        let told = origin.and_then(|origin| origin.tenancy.as_deref());
        let tenancy = settings.identity.tenancy().or(told).unwrap_or_default();
        let region = settings.region.clone();
        let region = region.or_else(|| origin?.region.clone());
        let base = |configured: &Option<String>, host: fn(&Region, &str) -> String| {
            let of_region = || {
                let region = region.as_ref()?;
                Some(format!("https://{}", host(region, tenancy)))
            };
            let endpoint = configured.clone().or_else(of_region).unwrap_or_default();
            Base::parse(&endpoint).ok_or(endpoint)
        };
        let compartment_id = settings.compartment_id.as_deref().unwrap_or(tenancy);
        Self {
            inference: base(&settings.endpoint, region::inference_host),
            control: base(&settings.control_endpoint, region::control_host),
            compartment_id: compartment_id.to_owned(),
            region,
        }
    }
}

/// A request without who makes it: a POST, or without a body a GET.
struct What<'a> {
    base: &'a Base,
    /// See `Base::target`.
    target: &'a str,
    /// JSON.
    body: Option<&'a [u8]>,
    /// See `Sent`.
    compartment_id: Option<&'a str>,
    compartment_headers: &'a [&'static str],
    request_id: &'a RequestId,
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
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

fn enter(client: &Client, limits: &CallLimits, hook: Hook) -> Result<Call, OciError> {
    Call::enter(
        hook,
        limits.first_event_by,
        limits.first_event_timeout,
        client.connect_timeout(),
    )
}

/// The call itself, without an account.
#[cfg(test)]
fn chat(
    client: &Client,
    sent: &Sent<'_>,
    limits: &CallLimits,
    hook: Hook,
) -> Result<Answer, OciError> {
    let call = enter(client, limits, hook)?;
    let response = exchange::send(client, sent, &call)?;
    answer::read(response, call, limits, answer::parse)
}

fn unwritable(error: &serde_json::Error) -> OciError {
    OciError::Unreachable {
        phase: Phase::Connect,
        why: call::one_line(&format!("the request cannot be written as JSON: {error}")),
    }
}
