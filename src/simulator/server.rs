//! The simulator's front: accepts connections, a thread for each, and answers what comes in as OCI does: endpoints,
//! chat calls, keep-alive. What the signature, the schema and the model say is decided by the modules
//! `verify`, `schema`, `quirks`, `answer` and `failures`. Source: reference §1.2, §1.3, §6, §8.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Recorded;
use super::actions;
use super::answer;
use super::connection::{Connection, Incoming, Request, find};
use super::ending::Ending;
use super::failures::{Failure, told};
use super::identity::{self, Service};
use super::lists::{self, Capability};
use super::openai;
use super::quirks;
use super::reply::{After, Reply, error_body, made_request_id, request_id};
use super::schema;
use super::script::{LAST_CHUNK, Played, chunk, play};
use super::state::Shared;
use super::stream;
use super::verify::Signed;
use crate::dates::Rfc3339;

const CHAT: &str = "/20231130/actions/chat";
const EMBED: &str = "/20231130/actions/embedText";
const RERANK: &str = "/20231130/actions/rerankText";
const MODELS: &str = "/20231130/models";
const GUARDRAIL_VERSIONS: &str = "/20231130/guardrailVersions";
/// What a thread needs for JSON of serde_json's greatest depth, in a build without optimisation.
const STACK_BYTES: usize = 1024 * 1024;
/// After a failed `accept`, such as one for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What can be asked for; anything else is 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    Chat,
    Embed,
    Rerank,
    /// The same in OpenAI's words.
    OpenAi(openai::Door),
    Models,
    GuardrailVersions,
    Identity(Service),
}

impl Endpoint {
    fn service(self) -> Option<Service> {
        match self {
            Self::Identity(service) => Some(service),
            Self::Chat
            | Self::OpenAi(_)
            | Self::Embed
            | Self::Rerank
            | Self::Models
            | Self::GuardrailVersions => None,
        }
    }

    fn of(method: &str, path: &str) -> Option<Self> {
        match (method, path) {
            ("POST", CHAT) => Some(Self::Chat),
            ("POST", EMBED) => Some(Self::Embed),
            ("POST", RERANK) => Some(Self::Rerank),
            ("GET", MODELS) => Some(Self::Models),
            ("GET", GUARDRAIL_VERSIONS) => Some(Self::GuardrailVersions),
            ("POST", path) if let Some(door) = openai::Door::of(path) => Some(Self::OpenAi(door)),
            _ => Service::of(method, path).map(Self::Identity),
        }
    }

    /// Whether a model is asked.
    fn is_action(self) -> bool {
        match self {
            Self::Chat | Self::OpenAi(_) | Self::Embed | Self::Rerank => true,
            Self::Models | Self::GuardrailVersions | Self::Identity(_) => false,
        }
    }
}

/// Accepts until the simulator stops, and returns the threads of the connections.
pub(super) fn accept_all(listener: &TcpListener, shared: &Arc<Shared>) -> Vec<JoinHandle<()>> {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    loop {
        let accepted = listener.accept();
        if shared.is_stopping() {
            return threads;
        }
        threads.retain(|thread| !thread.is_finished());
        match accepted.and_then(|(stream, _)| start(stream, shared)) {
            Ok(thread) => threads.extend(thread),
            Err(error) => {
                log::debug!("simulator: a connection could not be taken: {error}");
                shared.wait_for(|| shared.is_stopping(), ACCEPT_PAUSE);
            }
        }
    }
}

/// Starts a connection's thread; none if there are too many connections.
fn start(stream: TcpStream, shared: &Arc<Shared>) -> io::Result<Option<JoinHandle<()>>> {
    let Some(number) = shared.register(stream.try_clone()?) else {
        return Ok(None);
    };
    let their = Arc::clone(shared);
    let started = thread::Builder::new()
        .name("simulator".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let _registered = their.registered(number);
            if let Err(error) = serve(stream, &their) {
                log::debug!("simulator: a connection broke: {error}");
            }
        });
    if started.is_err() {
        drop(shared.registered(number));
    }
    started.map(Some)
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut connection = Connection::new(stream)?;
    let served = serve_all(&mut connection, shared);
    // The register holds a second handle, so dropping this one would close nothing.
    connection.close();
    served
}

fn serve_all(connection: &mut Connection, shared: &Shared) -> io::Result<()> {
    loop {
        match connection.read_request()? {
            Incoming::Closed => return Ok(()),
            Incoming::Refused { status, why } => {
                let headers = [("connection".to_owned(), "close".to_owned())];
                let body = error_body("InvalidParameter", why);
                Reply::new(connection, made_request_id(), None, shared.clock)
                    .whole(status, &headers, body)?;
                connection.close_after_refusal();
                return Ok(());
            }
            Incoming::Request(request) => {
                let keep_alive = request.keep_alive;
                if answer(connection, shared, request)? == After::Close || !keep_alive {
                    return Ok(());
                }
            }
        }
    }
}

fn answer(connection: &mut Connection, shared: &Shared, request: Request) -> io::Result<After> {
    let id = request_id(&request);
    let path = request.target.split('?').next().unwrap_or_default();
    let endpoint = Endpoint::of(&request.method, path)
        .filter(|endpoint| shared.identities.has_instance() || endpoint.service().is_none());
    let is_action = endpoint.is_some_and(Endpoint::is_action);
    let mut call = is_action.then(|| shared.begin_call());
    let signed = Signed {
        method: &request.method,
        target: &request.target,
        headers: &request.headers,
        body: &request.body,
    };
    let (service, now) = (endpoint.and_then(Endpoint::service), shared.clock.now());
    let takes_keys = matches!(endpoint, Some(Endpoint::OpenAi(_)));
    let by_key = takes_keys.then(|| shared.identities.check_api_key(&signed));
    let finding = by_key
        .flatten()
        .or_else(|| shared.identities.check(service, &signed, now))
        .unwrap_or_else(|| shared.keyring.check(&signed, now));
    let recorded = Recorded {
        method: request.method,
        target: request.target,
        headers: request.headers,
        body: request.body.into(),
        account: finding.account,
        refusal: finding.verdict.clone().err(),
        when: Instant::now(),
    };
    if let (Some(call), Some(account)) = (&mut call, &recorded.account) {
        call.is_of(account);
    }
    shared.record(recorded.clone());
    let mut reply = Reply::new(connection, id, call, shared.clock);
    match (endpoint, finding.verdict) {
        (None, _) => {
            let why = "Authorization failed or requested resource not found.";
            reply.refuse(404, "NotAuthorizedOrNotFound", why)
        }
        (Some(_), Err(why)) => {
            log::debug!("simulator: 401: {why}");
            let why = "The required information to complete authentication was not provided or was incorrect.";
            reply.refuse(401, "NotAuthenticated", why)
        }
        (Some(Endpoint::Chat), Ok(())) => chat(&mut reply, shared, &recorded),
        (Some(Endpoint::Embed), Ok(())) => actions::embed(&mut reply, shared, &recorded),
        (Some(Endpoint::Rerank), Ok(())) => actions::rerank(&mut reply, shared, &recorded),
        (Some(Endpoint::OpenAi(door)), Ok(())) => {
            openai::answer(door, &mut reply, shared, &recorded)
        }
        (Some(Endpoint::Models), Ok(())) => lists::models(&mut reply, shared, &recorded),
        (Some(Endpoint::Identity(service)), Ok(())) => {
            identity::answer(service, &mut reply, shared, &recorded)
        }
        (Some(Endpoint::GuardrailVersions), Ok(())) => {
            lists::guardrail_versions(&mut reply, shared, &recorded)
        }
    }
}

/// The body, if it is JSON and is said to be.
pub(super) fn json_body(request: &Recorded) -> Option<Value> {
    let kind = find(&request.headers, "content-type")?;
    if kind.split(';').next() != Some("application/json") {
        return None;
    }
    serde_json::from_slice(&request.body).ok()
}

fn chat(reply: &mut Reply<'_>, shared: &Shared, request: &Recorded) -> io::Result<After> {
    let Some(body) = json_body(request) else {
        return reply.refuse(400, "CannotParseRequest", "Incorrectly formatted request");
    };
    if let Err(problem) = schema::check(&body) {
        log::debug!("simulator: 400: {problem:?}");
        return reply.refuse(400, problem.code, &problem.message);
    }
    if let Some(script) = shared.next_script(request) {
        match play(&script, reply, shared.pace)? {
            Played::Done(after) => return Ok(after),
            Played::Default => {}
        }
    }
    default_answer(reply, shared, &body, &request.body)
}

fn default_answer(
    reply: &mut Reply<'_>,
    shared: &Shared,
    details: &Value,
    bytes: &[u8],
) -> io::Result<After> {
    let null = Value::Null;
    let chat = details.get("chatRequest").unwrap_or(&null);
    let model = match lists::asked(shared, details) {
        Ok(model) => model,
        Err(missing) => return reply.whole(404, &[], missing),
    };
    let plan = answer::plan(model, chat, &hex(&Sha256::digest(bytes)));
    let refusal = lists::must_be(model, Capability::Chat)
        .err()
        .or_else(|| quirks::refusal(model, chat, shared.strict))
        .or_else(|| quirks::too_long(&plan))
        .or_else(|| told::refusal(&plan));
    if let Some(refusal) = refusal {
        let seconds = refusal.retry_after.as_ref().map(u32::to_string);
        let headers = seconds.map(|seconds| ("retry-after".to_owned(), seconds));
        let body = error_body(refusal.code, &refusal.message);
        return reply.whole(refusal.status, headers.as_slice(), body);
    }
    if chat.get("isStream") != Some(&Value::Bool(true)) {
        let asked = details
            .pointer("/servingMode/modelId")
            .and_then(Value::as_str);
        let body = stream::whole(&plan, chat, asked.unwrap_or(model), &now_rfc_3339());
        return reply.whole(200, &[], body.to_string());
    }
    let headers = [
        ("content-type".to_owned(), "text/event-stream".to_owned()),
        ("transfer-encoding".to_owned(), "chunked".to_owned()),
    ];
    reply.head(200, &headers)?;
    let is_broken = plan.failure == Some(Failure::BrokenStream);
    let mut events = stream::events(&plan, chat);
    if is_broken {
        events = told::before_break(events);
    }
    let (mut ending, last) = (Ending::default(), events.len());
    for (number, event) in (1..).zip(events) {
        reply.connection.pause(shared.pace)?;
        if ending.comes_with(event.as_bytes()) || number == last {
            reply.is_about_to_end();
        }
        reply.connection.write(&chunk(event.as_bytes()))?;
    }
    if is_broken {
        return Ok(After::Close);
    }
    if shared.linger {
        reply.connection.hang();
        return Ok(After::Close);
    }
    reply.connection.write(LAST_CHUNK)?;
    Ok(After::KeepAlive)
}

fn now_rfc_3339() -> String {
    Rfc3339(time::OffsetDateTime::now_utc()).text()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
