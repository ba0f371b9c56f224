//! The services that give a machine its identity, on the simulator's own port: the metadata service of one instance, the federation
//! service behind it, and the tokens that are good now. Tests shorten a token's life, bind it to a wrong key or take it back; what
//! the services answer otherwise is for the `Chooser`. Source: reference §2.3.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use parking_lot::Mutex;
use rsa::RsaPublicKey;
use rsa::pkcs8::DecodePublicKey;
use rsa::rand_core::{OsRng, RngCore};
use serde_json::{Value, json};

use super::Recorded;
use super::account::public_key;
use super::connection::find;
use super::reply::{After, Reply};
use super::script::{Played, play};
use super::server::hex;
use super::state::Shared;
use super::verify::{Entry, Finding, Signed, check_by};

const METADATA: &str = "/opc/v2/";
const FEDERATION: &str = "/v1/x509";
/// What stands before a token in a key id.
const TOKEN_MARK: &str = "ST$";
/// What OCI's tokens for instances live.
const LIFE: Duration = Duration::from_secs(20 * 60);
/// Tokens that are known; the oldest are forgotten first.
const MAX_TOKENS: usize = 1024;

/// The instance that asks the metadata service.
#[derive(Clone, PartialEq, Eq)]
pub struct Instance {
    /// The name under which requests with its tokens are recorded.
    pub account: String,
    /// As the metadata service tells it: an id or a three-letter key.
    pub region: String,
    pub certificate_pem: String,
    /// The certificate's key: PKCS#1 or PKCS#8, not encrypted.
    pub key_pem: String,
    pub intermediate_pem: String,
    /// The key id of its signatures at the federation service: `<tenancy>/fed-x509/<SHA-1 of the certificate>`.
    pub key_id: String,
}

/// Shows everything but the key.
impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance")
            .field("account", &self.account)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// What is known of identities that come and go.
pub(super) struct Identities {
    instance: Option<(Instance, RsaPublicKey)>,
    state: Mutex<State>,
}

struct State {
    life: Duration,
    binds_wrongly: bool,
    tokens: Vec<Token>,
    /// API keys of the service, and whose.
    api_keys: Vec<(String, String)>,
}

struct Token {
    text: String,
    account: String,
    key: RsaPublicKey,
    expires: SystemTime,
}

/// What of them can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    Metadata,
    Federation,
}

impl Service {
    pub(super) fn of(method: &str, path: &str) -> Option<Self> {
        match method {
            "GET" if path.starts_with(METADATA) => Some(Self::Metadata),
            "POST" if path == FEDERATION => Some(Self::Federation),
            _ => None,
        }
    }
}

impl Identities {
    pub(super) fn new(instance: Option<Instance>) -> io::Result<Self> {
        let instance = match instance {
            Some(instance) => {
                let key = public_key(&instance.key_pem)?;
                Some((instance, key))
            }
            None => None,
        };
        Ok(Self {
            instance,
            state: Mutex::new(State {
                life: LIFE,
                binds_wrongly: false,
                tokens: Vec::new(),
                api_keys: Vec::new(),
            }),
        })
    }

    pub(super) fn has_instance(&self) -> bool {
        self.instance.is_some()
    }

    pub(super) fn set_life(&self, life: Duration) {
        self.state.lock().life = life;
    }

    pub(super) fn set_binds_wrongly(&self, wrongly: bool) {
        self.state.lock().binds_wrongly = wrongly;
    }

    pub(super) fn revoke(&self, account: &str) {
        let mut state = self.state.lock();
        state.tokens.retain(|token| token.account != account);
    }

    /// A new token for this key.
    pub(super) fn issue(
        &self,
        account: &str,
        key: RsaPublicKey,
        life: Duration,
        now: SystemTime,
    ) -> String {
        let expires = now.checked_add(life).unwrap_or(now);
        let seconds = |time: SystemTime| {
            let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
            since.as_secs()
        };
        let (mut id, mut signature) = ([0; 16], [0; 256]);
        OsRng.fill_bytes(&mut id);
        OsRng.fill_bytes(&mut signature);
        let claims = json!({
            "sub": account,
            "jti": hex(&id),
            "iat": seconds(now),
            "exp": seconds(expires),
        });
        let head = json!({"alg": "RS256", "typ": "JWT"}).to_string();
        let text = [head.as_bytes(), claims.to_string().as_bytes(), &signature]
            .map(|part| URL_SAFE_NO_PAD.encode(part))
            .join(".");
        let mut state = self.state.lock();
        if state.tokens.len() == MAX_TOKENS {
            state.tokens.remove(0);
        }
        state.tokens.push(Token {
            text: text.clone(),
            account: account.to_owned(),
            key,
            expires: UNIX_EPOCH + Duration::from_secs(seconds(expires)),
        });
        text
    }

    /// From now on this key is the account's.
    pub(super) fn add_api_key(&self, key: &str, account: &str) {
        let pair = (key.to_owned(), account.to_owned());
        self.state.lock().api_keys.push(pair);
    }

    /// Of a request to the OpenAI-compatible API that comes with an API key of the service; `None`: it is signed.
    pub(super) fn check_api_key(&self, request: &Signed<'_>) -> Option<Finding> {
        let authorization = find(request.headers, "authorization")?;
        let key = authorization.strip_prefix("Bearer ")?;
        let state = self.state.lock();
        let known = state.api_keys.iter().find(|(known, _)| known == key);
        let account = known.map(|(_, account)| account.clone());
        let verdict = account.is_some().then_some(());
        Some(Finding {
            account,
            verdict: verdict.ok_or_else(|| "unknown API key".to_owned()),
        })
    }

    /// Of a request to one of these services, or of one with a token; `None`: it is neither.
    pub(super) fn check(
        &self,
        service: Option<Service>,
        request: &Signed<'_>,
        now: SystemTime,
    ) -> Option<Finding> {
        let authorization = find(request.headers, "authorization").unwrap_or_default();
        match (service, &self.instance) {
            (Some(Service::Metadata), Some((instance, _))) => {
                let is_good = authorization == "Bearer Oracle";
                let why = "the metadata service wants Authorization: Bearer Oracle";
                Some(Finding {
                    account: Some(instance.account.clone()),
                    verdict: is_good.then_some(()).ok_or_else(|| why.to_owned()),
                })
            }
            (Some(Service::Federation), Some((instance, key))) => {
                let known = |key_id: &str| {
                    if key_id != instance.key_id {
                        return Err(format!("unknown keyId {key_id}"));
                    }
                    Ok(Entry::new(key_id, &instance.account, key.clone()))
                };
                Some(check_by(request, now, false, &known))
            }
            (Some(_) | None, _) if authorization.contains(r#"keyId="ST$"#) => {
                let known = |key_id: &str| self.holder(key_id, now);
                Some(check_by(request, now, true, &known))
            }
            (Some(_) | None, _) => None,
        }
    }

    fn holder(&self, key_id: &str, now: SystemTime) -> Result<Entry, String> {
        let text = key_id.strip_prefix(TOKEN_MARK).unwrap_or_default();
        let state = self.state.lock();
        let token = state.tokens.iter().find(|token| token.text == text);
        let token = token.ok_or("an unknown token")?;
        if now >= token.expires {
            return Err(format!("the token of {} has expired", token.account));
        }
        Ok(Entry::new(key_id, &token.account, token.key.clone()))
    }
}

/// Answers a request that is good so far.
pub(super) fn answer(
    service: Service,
    reply: &mut Reply<'_>,
    shared: &Shared,
    request: &Recorded,
) -> io::Result<After> {
    if let Some(script) = shared.chosen(request) {
        match play(&script, reply, shared.pace)? {
            Played::Done(after) => return Ok(after),
            Played::Default => {}
        }
    }
    let identities = &shared.identities;
    let Some((instance, leaf_key)) = &identities.instance else {
        return reply.refuse(404, "NotFound", "no instance");
    };
    match service {
        Service::Metadata => {
            let text = match request.target.strip_prefix(METADATA).unwrap_or_default() {
                "instance/region" => &instance.region,
                "identity/cert.pem" => &instance.certificate_pem,
                "identity/key.pem" => &instance.key_pem,
                "identity/intermediate.pem" => &instance.intermediate_pem,
                _ => return reply.refuse(404, "NotFound", "no such metadata"),
            };
            let headers = [("content-type".to_owned(), "text/plain".to_owned())];
            reply.whole(200, &headers, text)
        }
        Service::Federation => match asked_key(instance, &request.body) {
            Ok(key) => {
                let (life, wrongly) = {
                    let state = identities.state.lock();
                    (state.life, state.binds_wrongly)
                };
                let key = if wrongly { leaf_key.clone() } else { key };
                let now = shared.clock.now();
                let token = identities.issue(&instance.account, key, life, now);
                reply.whole(200, &[], json!({ "token": token }).to_string())
            }
            Err(why) => reply.refuse(400, "InvalidParameter", &why),
        },
    }
}

/// The key that a token is asked for, if all else is as it must be.
fn asked_key(instance: &Instance, body: &[u8]) -> Result<RsaPublicKey, String> {
    let asked: Value = serde_json::from_slice(body).map_err(|_| "not JSON".to_owned())?;
    let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("certificate") != without_armour(&instance.certificate_pem) {
        return Err("certificate is not the instance's".to_owned());
    }
    let intermediate = asked.get("intermediateCertificates");
    if intermediate != Some(&json!([without_armour(&instance.intermediate_pem)])) {
        return Err("intermediateCertificates are not the instance's".to_owned());
    }
    let der = STANDARD
        .decode(text("publicKey"))
        .map_err(|_| "publicKey is not base64".to_owned())?;
    RsaPublicKey::from_public_key_der(&der).map_err(|_| "publicKey is no RSA key".to_owned())
}

fn without_armour(pem: &str) -> String {
    let lines = pem.lines().map(str::trim);
    lines.filter(|line| !line.starts_with("-----")).collect()
}
