//! The simulator's front: accepts connections, a thread for each, and answers what comes in as OCI does: endpoints,
//! statuses, error bodies, keep-alive. What the signature, the schema and the model say is decided by the modules
//! `verify`, `schema`, `quirks`, `answer` and `failures`. Source: reference §1.2, §1.3, §6, §8.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use rsa::rand_core::{OsRng, RngCore};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::Recorded;
use super::answer::{self, Vendor};
use super::connection::{Connection, Incoming, Request, find};
use super::failures::{Failure, told};
use super::quirks;
use super::schema;
use super::script::{LAST_CHUNK, Played, chunk, play};
use super::state::Shared;
use super::stream;
use super::verify::Signed;

const CHAT: &str = "/20231130/actions/chat";
const MODELS: &str = "/20231130/models";
/// What a thread needs for JSON of serde_json's greatest depth, in a build without optimisation.
const STACK_BYTES: usize = 1024 * 1024;
/// After a failed `accept`, such as one for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// `opc-request-id`: up to three segments of at most 32 characters. Source: OCI API 20231130.
const MAX_SEGMENTS: usize = 3;
const MAX_SEGMENT_BYTES: usize = 32;
/// Models of one page of the list, if the request names no limit.
const PAGE_MODELS: usize = 100;
const RFC_3339_MILLIS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// What happens to a connection when its request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    KeepAlive,
    Close,
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
                let body = error_body("InvalidParameter", why);
                let headers = [("connection".to_owned(), "close".to_owned())];
                write_reply(connection, status, &headers, &body, &made_request_id())?;
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
    let is_chat = (request.method.as_str(), path) == ("POST", CHAT);
    let is_models = (request.method.as_str(), path) == ("GET", MODELS);
    let call = is_chat.then(|| shared.begin_call());
    let signed = Signed {
        method: &request.method,
        target: &request.target,
        headers: &request.headers,
        body: &request.body,
    };
    let finding = shared.keyring.check(&signed, SystemTime::now());
    let recorded = Recorded {
        method: request.method,
        target: request.target,
        headers: request.headers,
        body: request.body.into(),
        account: finding.account.clone(),
        refusal: finding.verdict.clone().err(),
        when: Instant::now(),
    };
    shared.record(recorded.clone());
    let account = finding.account.unwrap_or_default();
    let after = match finding.verdict {
        _ if !is_chat && !is_models => {
            let why = "Authorization failed or requested resource not found.";
            refuse(
                connection,
                404,
                &error_body("NotAuthorizedOrNotFound", why),
                &id,
            )
        }
        Err(why) => {
            log::debug!("simulator: 401: {why}");
            let why = "The required information to complete authentication was not provided or was incorrect.";
            refuse(connection, 401, &error_body("NotAuthenticated", why), &id)
        }
        Ok(()) if is_chat => chat(connection, shared, &recorded, &account, &id),
        Ok(()) => models(connection, shared, &recorded.target, &id),
    };
    drop(call);
    after
}

fn chat(
    connection: &mut Connection,
    shared: &Shared,
    request: &Recorded,
    account: &str,
    id: &str,
) -> io::Result<After> {
    let is_json = find(&request.headers, "content-type")
        .is_some_and(|kind| kind.split(';').next() == Some("application/json"));
    let body: Value = match serde_json::from_slice(&request.body) {
        Ok(body) if is_json => body,
        Ok(_) | Err(_) => {
            let body = error_body("CannotParseRequest", "Incorrectly formatted request");
            return refuse(connection, 400, &body, id);
        }
    };
    if let Err(problem) = schema::check(&body) {
        log::debug!("simulator: 400: {problem:?}");
        return refuse(
            connection,
            400,
            &error_body(problem.code, &problem.message),
            id,
        );
    }
    if let Some(script) = shared.next_script(account) {
        match play(&script, connection, id, shared.pace)? {
            Played::Done(after) => return Ok(after),
            Played::Default => {}
        }
    }
    default_answer(connection, shared, &body, &request.body, id)
}

fn default_answer(
    connection: &mut Connection,
    shared: &Shared,
    details: &Value,
    bytes: &[u8],
    id: &str,
) -> io::Result<After> {
    let null = Value::Null;
    let chat = details.get("chatRequest").unwrap_or(&null);
    let serving = details.get("servingMode").unwrap_or(&null);
    let asked = serving.get("modelId").or_else(|| serving.get("endpointId"));
    let asked = asked.and_then(Value::as_str).unwrap_or_default();
    let known = shared
        .models
        .iter()
        .find(|model| *model == asked || model_ocid(model) == asked);
    let Some(model) = known else {
        let message = format!("Entity with key {asked} not found");
        return refuse(
            connection,
            404,
            &json!({"code": 404, "message": message}).to_string(),
            id,
        );
    };
    let plan = answer::plan(model, chat, &hex(&Sha256::digest(bytes)));
    let refusal = quirks::refusal(model, chat, shared.strict)
        .or_else(|| quirks::too_long(&plan))
        .or_else(|| told::refusal(&plan));
    if let Some(refusal) = refusal {
        let seconds = refusal.retry_after.as_ref().map(u32::to_string);
        let headers = seconds.map(|seconds| ("retry-after".to_owned(), seconds));
        let body = error_body(refusal.code, &refusal.message);
        write_reply(connection, refusal.status, headers.as_slice(), body, id)?;
        return Ok(After::KeepAlive);
    }
    if chat.get("isStream") != Some(&Value::Bool(true)) {
        let body = stream::whole(&plan, chat, asked, &now_rfc_3339());
        write_reply(connection, 200, &[], body.to_string().as_bytes(), id)?;
        return Ok(After::KeepAlive);
    }
    let headers = [
        ("content-type".to_owned(), "text/event-stream".to_owned()),
        ("transfer-encoding".to_owned(), "chunked".to_owned()),
    ];
    connection.write(reply_head(200, &headers, id).as_bytes())?;
    let is_broken = plan.failure == Some(Failure::BrokenStream);
    let mut events = stream::events(&plan, chat);
    if is_broken {
        events = told::before_break(events);
    }
    for event in events {
        connection.pause(shared.pace)?;
        connection.write(&chunk(event.as_bytes()))?;
    }
    if is_broken {
        return Ok(After::Close);
    }
    if shared.linger {
        connection.hang();
        return Ok(After::Close);
    }
    connection.write(LAST_CHUNK)?;
    Ok(After::KeepAlive)
}

/// The control plane's list, page by page.
fn models(
    connection: &mut Connection,
    shared: &Shared,
    target: &str,
    id: &str,
) -> io::Result<After> {
    if let Some(script) = shared.control_script() {
        match play(&script, connection, id, shared.pace)? {
            Played::Done(after) => return Ok(after),
            Played::Default => {}
        }
    }
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let asked = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    };
    if asked("compartmentId").is_none_or(str::is_empty) {
        return refuse(
            connection,
            400,
            &error_body("MissingParameter", "compartmentId is required"),
            id,
        );
    }
    let number = |name: &str| asked(name).and_then(|value| value.parse::<usize>().ok());
    let (from, limit) = (
        number("page").unwrap_or(0),
        number("limit").unwrap_or(PAGE_MODELS).max(1),
    );
    let chats = asked("capability").is_none_or(|capability| capability == "CHAT");
    let all: Vec<_> = shared.models.iter().filter(|_| chats).collect();
    let page: Vec<_> = all
        .iter()
        .skip(from)
        .take(limit)
        .map(|model| model_summary(model))
        .collect();
    let mut headers = Vec::new();
    let next = from.saturating_add(page.len());
    if next < all.len() {
        headers.push(("opc-next-page".to_owned(), next.to_string()));
    }
    let body = json!({ "items": page }).to_string();
    write_reply(connection, 200, &headers, body.as_bytes(), id)?;
    Ok(After::KeepAlive)
}

fn model_summary(model: &str) -> Value {
    json!({
        "id": model_ocid(model),
        "compartmentId": null,
        "capabilities": ["CHAT"],
        "lifecycleState": "ACTIVE",
        "lifecycleDetails": null,
        "displayName": model,
        "vendor": match Vendor::of(model) {
            Vendor::Meta => "meta",
            Vendor::Xai => "xai",
            Vendor::Google => "google",
            Vendor::OpenAi | Vendor::GptOss => "openai",
            Vendor::Cohere => "cohere",
            Vendor::Other => "other",
        },
        "version": "1.0",
        "timeCreated": "2026-06-10T00:00:00Z",
        "baseModelId": null,
        "type": "BASE",
        "fineTuneDetails": null,
        "modelMetrics": null,
        "isLongTermSupported": false,
        "timeDeprecated": null,
        "timeOnDemandRetired": null,
        "timeDedicatedRetired": null,
        "freeformTags": {},
        "definedTags": {},
        "systemTags": {},
    })
}

/// A model's own OCID, which the service takes instead of its name. A dedicated endpoint is its OCID already.
fn model_ocid(model: &str) -> String {
    if answer::is_dedicated(model) {
        return model.to_owned();
    }
    format!(
        "ocid1.generativeaimodel.oc1.us-chicago-1.{}",
        model.replace('.', "")
    )
}

fn error_body(code: &str, message: &str) -> String {
    json!({"code": code, "message": message}).to_string()
}

fn refuse(connection: &mut Connection, status: u16, body: &str, id: &str) -> io::Result<After> {
    write_reply(connection, status, &[], body, id)?;
    Ok(After::KeepAlive)
}

/// A whole answer with its length, in one write.
pub(super) fn write_reply(
    connection: &mut Connection,
    status: u16,
    headers: &[(String, String)],
    body: impl AsRef<[u8]>,
    id: &str,
) -> io::Result<()> {
    let body = body.as_ref();
    let mut headers = headers.to_vec();
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    headers.push(("content-length".to_owned(), body.len().to_string()));
    let mut bytes = reply_head(status, &headers, id).into_bytes();
    bytes.extend(body);
    connection.write(&bytes)
}

/// The head of an answer, with `opc-request-id` unless it is among the headers.
pub(super) fn reply_head(status: u16, headers: &[(String, String)], id: &str) -> String {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("opc-request-id"))
    {
        head += &format!("opc-request-id: {id}\r\n");
    }
    head + "\r\n"
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

/// The client's own `opc-request-id` if it is well-formed, else a made one.
fn request_id(request: &Request) -> String {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let good = |id: &&str| {
        id.split('/').count() <= MAX_SEGMENTS
            && id.split('/').all(|part| {
                (1..=MAX_SEGMENT_BYTES).contains(&part.len()) && part.bytes().all(letter)
            })
    };
    request
        .header("opc-request-id")
        .filter(good)
        .map_or_else(made_request_id, str::to_owned)
}

fn made_request_id() -> String {
    format!("{:016X}{:016X}", OsRng.next_u64(), OsRng.next_u64())
}

fn now_rfc_3339() -> String {
    let now = time::OffsetDateTime::now_utc();
    now.format(RFC_3339_MILLIS)
        .unwrap_or_else(|_| "2026-06-01T10:00:00.000Z".to_owned())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
