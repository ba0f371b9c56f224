//! One signed request, from the request's bytes to the head of the answer. Owns the connections (`Client`) and knows
//! which failures of theirs are worth another try, and what the clocks at the other end show. Never looks into a body, and
//! knows no key: signing is handed in.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ureq::http::{HeaderMap, Response, StatusCode, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, RequestBuilder};

use super::call::Call;
use super::clock::{Clocks, News, Skew, another_try};
use super::error::OciError;
use super::resolver::CachingResolver;
use super::signer::Signed;
use super::transport::connectors;
use crate::crypto;
use crate::names::RequestId;

pub(super) const JSON: &str = "application/json";

/// OCI's SDKs accept both on every chat call, streaming or not. Source: reference §1.2.
const ACCEPT: &str = "application/json, text/event-stream";

const USER_AGENT: &str = concat!("ociai-proxy/", env!("CARGO_PKG_VERSION"));

/// Idle connections are dropped after this, before a load balancer does it: those wait 60 s and more.
const MAX_IDLE_AGE: Duration = Duration::from_secs(30);

/// A buffer in each direction, twice under TLS: 300 open answers are 15 MB, and 70 MB with ureq's own size. It is also
/// the limit for the head of an answer.
pub(super) const BUFFER_BYTES: usize = 16 * 1024;

/// Further tries of one call after connections out of the pool that turned out to be closed.
const MAX_STALE_CONNECTIONS: u32 = 3;

/// How connections to OCI are made and kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientSettings {
    /// Longest wait for each of: a name look-up, and a connection with its TLS handshake.
    pub(crate) connect_timeout: Duration,
    /// Idle connections kept, in all and to one host: the number of workers.
    pub(crate) pool_size: usize,
}

/// The connections to OCI, shared by all accounts. Cheap to clone. Proxies come from the environment (`ALL_PROXY`,
/// `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`, in either case).
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: Agent,
    /// For endpoints on this machine or its link, which no proxy elsewhere can reach: the demo works behind a company's proxy, and
    /// so does the metadata service.
    local: Agent,
    connect_timeout: Duration,
    clocks: Arc<Clocks>,
}

impl Client {
    pub(crate) fn new(settings: &ClientSettings) -> Self {
        Self::with_proxy(settings, Proxy::try_from_env())
    }

    pub(super) fn with_proxy(settings: &ClientSettings, proxy: Option<Proxy>) -> Self {
        Self {
            agent: agent(settings, proxy),
            local: agent(settings, None),
            connect_timeout: settings.connect_timeout,
            clocks: Arc::default(),
        }
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The time: this machine's, or OCI's where that has been proven to be another.
    pub(super) fn wall(&self) -> SystemTime {
        self.clocks.proven().there(SystemTime::now())
    }

    /// What the latest answer from there showed.
    pub(super) fn skew(&self, base: &Base) -> Option<Skew> {
        self.clocks.skew(&base.host)
    }
}

fn agent(settings: &ClientSettings, proxy: Option<Proxy>) -> Agent {
    let proxied = proxy.is_some();
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(crypto::provider())
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    // No limit for the whole call or the whole body: a stream may take long. The call's own deadlines do that work.
    let config = Agent::config_builder()
        .proxy(proxy)
        .tls_config(tls)
        .timeout_connect(Some(settings.connect_timeout))
        .max_idle_connections(settings.pool_size)
        .max_idle_connections_per_host(settings.pool_size)
        .max_idle_age(MAX_IDLE_AGE)
        .input_buffer_size(BUFFER_BYTES)
        .output_buffer_size(BUFFER_BYTES)
        .max_response_header_size(BUFFER_BYTES)
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(USER_AGENT)
        // A compressed stream arrives in lumps, and there is nothing here to unpack it.
        .accept_encoding("identity")
        .build();
    Agent::with_parts(
        config,
        connectors(proxied),
        CachingResolver::new(settings.connect_timeout),
    )
}

/// Where a service is: scheme and authority, and a path before its own paths for a gateway in front of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    scheme: String,
    /// The authority as it is sent and signed: lower case, with the port unless it is the scheme's own.
    pub(super) host: String,
    path: String,
    local: bool,
}

impl Base {
    /// `None` for anything but `http(s)://host[:port][/path]`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.trim().parse().ok()?;
        let scheme = uri.scheme_str()?.to_owned();
        let authority = uri.authority()?;
        let default_port = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let name = authority.host().to_ascii_lowercase();
        if name.is_empty() || authority.as_str().contains('@') || uri.query().is_some() {
            return None;
        }
        let host = match authority.port_u16() {
            Some(port) if port != default_port => format!("{name}:{port}"),
            Some(_) | None => name.clone(),
        };
        Some(Self {
            local: is_local(&name),
            path: uri.path().trim_end_matches('/').to_owned(),
            scheme,
            host,
        })
    }

    /// The path of a request, as it is sent and signed.
    pub(super) fn target(&self, path: &str) -> String {
        format!("{}{path}", self.path)
    }
}

/// The metadata service's other address. Source: reference §2.3.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe);

/// On this machine, or at an address that is valid next to it only, such as the metadata service's.
fn is_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare.parse::<IpAddr>().is_ok_and(|ip| match ip {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_loopback() || ip == METADATA_V6,
        })
}

/// What is sent: a POST, or without a body a GET.
pub(super) struct Sent<'a> {
    pub(super) base: &'a Base,
    /// See `Base::target`.
    pub(super) target: &'a str,
    /// JSON.
    pub(super) body: Option<&'a [u8]>,
    pub(super) compartment_id: Option<&'a str>,
    /// The headers that name the compartment, which are not signed: of what has it in no body. Of a GET some want it there,
    /// others in their query.
    pub(super) compartment_headers: &'a [&'static str],
    pub(super) request_id: &'a RequestId,
    /// Signs exactly this request; asked again for each try, because the date is signed too.
    pub(super) sign: &'a dyn Fn(SystemTime) -> Signed,
}

/// Sends the request and waits for the head of the answer, whatever its status. What OCI refuses because this machine's clock is
/// wrong is sent once more, dated by OCI's.
pub(super) fn send(
    client: &Client,
    sent: &Sent<'_>,
    call: &Call,
) -> Result<Response<Body>, OciError> {
    let host = &sent.base.host;
    let used = client.clocks.correction(host);
    let (response, measured) = send_dated(client, sent, call, used)?;
    if response.status() != StatusCode::UNAUTHORIZED {
        return Ok(response);
    }
    let Some(other) = another_try(used, measured) else {
        return Ok(response);
    };
    // With its connection: what is left of its body is not worth a wait.
    drop(response);
    let (response, _) = send_dated(client, sent, call, other)?;
    if response.status().is_success() {
        client.clocks.prove(host, other);
    }
    Ok(response)
}

/// Sends the request, dated by the local clock with this correction. Also tells what the answer shows of the clocks.
fn send_dated(
    client: &Client,
    sent: &Sent<'_>,
    call: &Call,
    correction: Skew,
) -> Result<(Response<Body>, Option<Skew>), OciError> {
    let mut stale_connections = 0;
    loop {
        call.check()?;
        call.start_try();
        let sent_at = SystemTime::now();
        match send_once(client, sent, correction.there(sent_at)) {
            Ok(response) => {
                call.note_head();
                let measured = measure(client, &sent.base.host, response.headers(), sent_at);
                return Ok((response, measured));
            }
            // The pool held a connection that the server was just closing. OCI's SDKs repeat a chat call as well.
            Err(error) if call.was_stale(&error) && stale_connections < MAX_STALE_CONNECTIONS => {
                stale_connections += 1;
            }
            Err(error) => return Err(call.unanswered(error)),
        }
    }
}

/// What an answer shows of the clocks; the log says if it is news.
fn measure(client: &Client, host: &str, headers: &HeaderMap, sent_at: SystemTime) -> Option<Skew> {
    let skew = Skew::measure(date_of(headers)?, sent_at, SystemTime::now())?;
    match client.clocks.measured(host, skew, Instant::now()) {
        Some(News::Off(skew)) if skew.is_correctable() => log::warn!(
            "warning: this machine's clock is {skew} ({host}): set it, with NTP for example. OCI refuses what is dated 5 minutes off; \
             such requests are dated by OCI's clock"
        ),
        Some(News::Off(skew)) => log::warn!(
            "warning: this machine's clock is {skew} ({host}): set it, with NTP for example. That is too far off to be corrected, \
             and OCI refuses what is dated 5 minutes off"
        ),
        Some(News::RightAgain) => {
            log::info!("this machine's clock agrees with OCI's again ({host})");
        }
        None => {}
    }
    Some(skew)
}

/// When the answer was made, by the other side's clock. `None` also for an answer out of a cache, which was made earlier.
pub(super) fn date_of(headers: &HeaderMap) -> Option<SystemTime> {
    if headers.contains_key(header::AGE) {
        return None;
    }
    let date = headers.get(header::DATE)?.to_str().ok()?;
    httpdate::parse_http_date(date).ok()
}

fn send_once(
    client: &Client,
    sent: &Sent<'_>,
    date: SystemTime,
) -> Result<Response<Body>, ureq::Error> {
    let base = sent.base;
    let agent = if base.local {
        &client.local
    } else {
        &client.agent
    };
    let signed = (sent.sign)(date);
    let uri = format!("{}://{}{}", base.scheme, base.host, sent.target);
    let Some(body) = sent.body else {
        let request = agent
            .get(uri)
            .header(header::HOST, &base.host)
            .header(header::DATE, signed.date)
            .header(header::ACCEPT, JSON)
            .header(header::AUTHORIZATION, signed.authorization)
            .header("opc-request-id", sent.request_id.as_str());
        return with_compartment(request, sent).call();
    };
    let mut request = agent
        .post(uri)
        .header(header::HOST, &base.host)
        .header(header::DATE, signed.date)
        .header(header::CONTENT_TYPE, JSON)
        .header(header::ACCEPT, ACCEPT)
        .header(header::AUTHORIZATION, signed.authorization)
        .header("opc-request-id", sent.request_id.as_str());
    if let Some(hash) = signed.content_sha256 {
        request = request.header("x-content-sha256", hash);
    }
    // A slice gets a Content-Length, which is signed; a chunked body could not be.
    with_compartment(request, sent).send(body)
}

fn with_compartment<B>(request: RequestBuilder<B>, sent: &Sent<'_>) -> RequestBuilder<B> {
    let Some(compartment_id) = sent.compartment_id else {
        return request;
    };
    let names = sent.compartment_headers.iter();
    names.fold(request, |request, name| {
        request.header(*name, compartment_id)
    })
}
