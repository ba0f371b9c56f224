//! A token for the machine itself: its certificate out of the metadata service, and for that a token out of the federation service,
//! bound to a key that was made for it, beforehand. Never decides when. Source:
//! reference §2.3.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::certificate::Certificate;
use super::claims::{Claims, is_token};
use super::keeper::Shared;
use super::{Login, Origin};
use crate::crypto;
use crate::names::{Region, RequestId};
use crate::oci::answer;
use crate::oci::call::{Call, Flow};
use crate::oci::error::OciError;
use crate::oci::exchange::{self, Base, Client, Sent};
use crate::oci::keys::{PrivateKey, pem};
use crate::oci::region;
use crate::oci::signer::{self, Signed, Signer};

/// Where every instance finds its metadata service.
const METADATA: &str = "http://169.254.169.254";
/// The version of it that is asked, behind a configured address.
const VERSION: &str = "/opc/v2";
/// What it wants to see, so that no redirected request reaches it by mistake.
const METADATA_AUTHORIZATION: &str = "Bearer Oracle";
const FEDERATION: &str = "/v1/x509";
/// Longest wait for one answer of the metadata service, which is next door.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);
const FEDERATION_TIMEOUT: Duration = Duration::from_secs(10);
/// To make a key takes this long at most, on the smallest of machines under load.
const TIME_FOR_A_KEY: Duration = Duration::from_secs(60);
/// What an HTTP date does not tell.
const CLOCK_GRAIN: Duration = Duration::from_secs(1);
/// Bytes of an answer of either. Certificates have 2 KiB, a token up to 4.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

pub(super) struct Instance {
    /// `Err`: what was configured, which is no address.
    metadata: Result<Base, String>,
    federation: Option<Result<Base, String>>,
    /// The key of the next token.
    key: Option<PrivateKey>,
    /// The present token has it too.
    is_used: bool,
}

/// What is asked of the federation service: base64 of DER.
#[derive(Serialize)]
struct Ask {
    certificate: String,
    #[serde(rename = "publicKey")]
    public_key: String,
    #[serde(rename = "intermediateCertificates")]
    intermediate_certificates: Vec<String>,
}

#[derive(Deserialize)]
struct Given {
    token: String,
}

impl Instance {
    /// `metadata` and `federation`: addresses from the configuration. `variable`: what the environment names as the metadata
    /// service, with the path of its version.
    pub(super) fn new(
        metadata: Option<&str>,
        federation: Option<&str>,
        variable: Option<&str>,
    ) -> Self {
        let parse = |text: &str| Base::parse(text).ok_or_else(|| text.to_owned());
        let variable = variable.map(str::trim).filter(|text| !text.is_empty());
        let metadata = match (metadata, variable) {
            (Some(configured), _) => parse(&format!("{configured}{VERSION}")),
            (None, Some(variable)) => parse(variable),
            (None, None) => parse(&format!("{METADATA}{VERSION}")),
        };
        Self {
            metadata,
            federation: federation.map(parse),
            key: None,
            is_used: false,
        }
    }

    /// Makes the key of the next token, so that the token need not wait for it: on a small machine that takes seconds. If there is
    /// no time for it, the next token gets the key of the present one.
    pub(super) fn prepare(&mut self, left: Duration) {
        if self.key.is_none() || (self.is_used && left >= TIME_FOR_A_KEY) {
            self.key = PrivateKey::generate();
            self.is_used = false;
        }
    }

    /// A token, for the account whose thread this is. The error is one line for people.
    pub(super) fn fetch(
        &mut self,
        client: &Client,
        account: &Arc<Shared>,
    ) -> Result<Login, String> {
        let region = self.metadata(client, account, "/instance/region")?;
        let region = region::parse(&region)
            .ok_or("the metadata service names no region, but something else")?
            .region;
        let leaf = self.metadata(client, account, "/identity/cert.pem")?;
        let leaf = Certificate::parse(&leaf)
            .map_err(|why| format!("the metadata service's certificate is of no use: {why}"))?;
        let key = self.metadata(client, account, "/identity/key.pem")?;
        let intermediate = self.metadata(client, account, "/identity/intermediate.pem")?;
        self.prepare(Duration::ZERO);
        let public_key = self.key.as_ref().and_then(PrivateKey::public_der);
        let public_key = public_key.ok_or("no key can be made: the system has no random bytes")?;
        let ask = Ask {
            certificate: BASE64.encode(&leaf.der),
            public_key: BASE64.encode(public_key),
            intermediate_certificates: pem::certificates(&intermediate)
                .iter()
                .map(|der| BASE64.encode(der))
                .collect(),
        };
        let signer = PrivateKey::parse(&key, None)
            .and_then(|key| Signer::new(key, federation_key_id(&leaf)))
            .map_err(|why| format!("the metadata service's key is of no use: {why}"))?;
        let (token, wall) = self.federation(client, account, &region, &leaf, &ask, &signer)?;
        self.login(&token, wall, Instant::now(), leaf.tenancy, region)
    }

    fn login(
        &mut self,
        token: &str,
        wall: SystemTime,
        now: Instant,
        tenancy: String,
        region: Region,
    ) -> Result<Login, String> {
        const UNUSABLE: &str = "the federation service's answer is no token";
        let ends = Claims::of(token).filter(|_| is_token(token));
        let ends = ends.and_then(|claims| claims.expires()).ok_or(UNUSABLE)?;
        let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let life = ends.saturating_sub(since);
        if life.is_zero() {
            return Err("the federation service gave a token that has expired already".to_owned());
        }
        let key = self.key.as_ref().and_then(PrivateKey::duplicate);
        let key = key.ok_or(UNUSABLE)?;
        self.is_used = true;
        let origin = Origin {
            tenancy: Some(tenancy),
            region: Some(region),
        };
        // The answer's date names the second that it lies in: the token may end that much earlier.
        let expires = now + life - CLOCK_GRAIN.min(life / 4);
        Login::signing(key, token, Some(expires), origin).map_err(|error| error.to_string())
    }

    fn metadata(
        &self,
        client: &Client,
        account: &Arc<Shared>,
        path: &str,
    ) -> Result<Zeroizing<String>, String> {
        let base = self
            .metadata
            .as_ref()
            .map_err(|text| format!("the metadata service's address is not a URL: {text}"))?;
        let sign = |date| Signed::with(METADATA_AUTHORIZATION.to_owned(), date);
        let target = base.target(path);
        let sent = Sent {
            base,
            target: &target,
            body: None,
            compartment_id: None,
            compartment_headers: &[],
            request_id: &request_id(),
            sign: &sign,
        };
        let (bytes, _) = exchanged(client, account, &sent, METADATA_TIMEOUT)
            .map_err(|error| of_metadata(&error, path))?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| format!("the metadata service's answer to {path} is no text"))?;
        Ok(Zeroizing::new(text.trim().to_owned()))
    }

    /// The token, and the time by OCI's clock.
    fn federation(
        &self,
        client: &Client,
        account: &Arc<Shared>,
        region: &Region,
        leaf: &Certificate,
        ask: &Ask,
        signer: &Signer,
    ) -> Result<(Zeroizing<String>, SystemTime), String> {
        let its_own;
        let base = match &self.federation {
            Some(configured) => configured,
            None => {
                let host = region::federation_host(region, &leaf.tenancy);
                its_own = Base::parse(&format!("https://{host}")).ok_or(host);
                &its_own
            }
        };
        let base = base
            .as_ref()
            .map_err(|text| format!("the federation service's address is not a URL: {text}"))?;
        let body = serde_json::to_vec(ask).map_err(|error| error.to_string())?;
        let target = base.target(FEDERATION);
        let request = signer::Request {
            method: "POST",
            target: &target,
            host: None,
            body: Some(signer::Body {
                content_type: exchange::JSON,
                bytes: &body,
            }),
        };
        let sent = Sent {
            base,
            target: &target,
            body: Some(&body),
            compartment_id: None,
            compartment_headers: &[],
            request_id: &request_id(),
            sign: &|date| signer.sign(&request, date),
        };
        let (bytes, date) = exchanged(client, account, &sent, FEDERATION_TIMEOUT)
            .map_err(|error| of_federation(&error))?;
        let given: Given = serde_json::from_slice(&bytes)
            .map_err(|_| "the federation service's answer is no token".to_owned())?;
        Ok((
            Zeroizing::new(given.token),
            date.unwrap_or_else(|| client.wall()),
        ))
    }
}

/// One call of this thread: the body of a good answer, and its date.
fn exchanged(
    client: &Client,
    account: &Arc<Shared>,
    sent: &Sent<'_>,
    timeout: Duration,
) -> Result<(Zeroizing<Vec<u8>>, Option<SystemTime>), OciError> {
    let account = Arc::clone(account);
    let hook = move || {
        if account.is_over() {
            Flow::Stop
        } else {
            Flow::Continue
        }
    };
    let call = Call::enter(
        Box::new(hook),
        Instant::now() + timeout,
        timeout,
        client.connect_timeout(),
    )?;
    let response = exchange::send(client, sent, &call)?;
    let date = exchange::date_of(response.headers());
    let body = answer::bytes(response, call, MAX_ANSWER_BYTES)?;
    Ok((Zeroizing::new(body), date))
}

fn federation_key_id(leaf: &Certificate) -> String {
    format!("{}/fed-x509/{}", leaf.tenancy, leaf.fingerprint())
}

fn of_metadata(error: &OciError, path: &str) -> String {
    match error {
        OciError::Status(status) => format!(
            "the metadata service has no {path} (status {}): auth = instance_principal works on an OCI instance only",
            status.status
        ),
        OciError::Unreachable { .. } | OciError::Timeout { .. } => {
            format!("the metadata service does not answer: {error}")
        }
        OciError::Broken { .. }
        | OciError::Event { .. }
        | OciError::NoCredential { .. }
        | OciError::Cancelled => format!("the metadata service's answer is of no use: {error}"),
    }
}

fn of_federation(error: &OciError) -> String {
    match error {
        OciError::Status(_) => format!("the federation service refuses the instance: {error}"),
        OciError::Unreachable { .. } | OciError::Timeout { .. } => {
            format!("the federation service does not answer: {error}")
        }
        OciError::Broken { .. }
        | OciError::Event { .. }
        | OciError::NoCredential { .. }
        | OciError::Cancelled => format!("the federation service's answer is of no use: {error}"),
    }
}

fn request_id() -> RequestId {
    RequestId::from_random(crypto::random().unwrap_or_default())
}
