//! OCI's OpenAI-compatible API: `POST …/v1/chat/completions` and `…/v1/responses` under both of its paths. The pretended model is the same; requests are
//! checked as OpenAI's servers do, and answers, streams and refusals have OpenAI's shape. Source: reference §1.4, §7.

mod asked;
mod responses;
mod said;

use std::io;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::json;

use super::answer::{self, Plan, Vendor, is_dedicated};
use super::connection::find;
use super::ending::Ending;
use super::failures::{Failure, told};
use super::quirks::{self, Refusal};
use super::reply::{After, Reply};
use super::script::{LAST_CHUNK, Played, chunk, play};
use super::server::hex;
use super::state::Shared;
use super::{Recorded, lists};

/// The older path, and the one in newer documents.
const BASES: [&str; 2] = ["/20231130/actions/v1/", "/openai/v1/"];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Chat,
    Responses,
}

impl Door {
    pub(super) fn of(path: &str) -> Option<Self> {
        let rest = BASES.iter().find_map(|base| path.strip_prefix(base))?;
        match rest {
            "chat/completions" => Some(Self::Chat),
            "responses" => Some(Self::Responses),
            _ => None,
        }
    }

    fn check(self, body: &Value) -> Result<(), Wrong> {
        match self {
            Self::Chat => asked::check(body),
            Self::Responses => responses::asked::check(body),
        }
    }

    /// Whether the model is there. Source: reference §1.4.
    fn serves(self, model: &str) -> bool {
        match self {
            Self::Chat => true,
            Self::Responses => Vendor::of(model) != Vendor::Meta,
        }
    }

    fn as_generic(self, body: &Value) -> Value {
        match self {
            Self::Chat => asked::as_generic(body),
            Self::Responses => asked::as_generic(&responses::asked::as_chat(body)),
        }
    }

    fn refusal(self, model: &str, body: &Value, chat: &Value, strict: bool) -> Option<Refusal> {
        match self {
            Self::Chat => {
                asked::refused_limit(model, body).or_else(|| quirks::refusal(model, chat, strict))
            }
            // What is refused in a chat only. Source: reference §7.
            Self::Responses => quirks::refusal(model, chat, strict)
                .filter(|refusal| !refusal.message.contains("chat/completions"))
                .filter(|_| !model.contains("multi-agent")),
        }
    }

    /// Whether a reader may be done with an answer at that event.
    fn finishes(self, event: &str) -> bool {
        match self {
            Self::Chat => said::finishes(event),
            Self::Responses => responses::finishes(event),
        }
    }
}

/// Answers a request whose signature is good.
pub(super) fn answer(
    door: Door,
    reply: &mut Reply<'_>,
    shared: &Shared,
    request: &Recorded,
) -> io::Result<After> {
    let body = match checked(door, request) {
        Ok(body) => body,
        Err((message, param)) => {
            log::debug!("simulator: 400: {message}");
            return reply.whole(400, &[], refusal_body(&message, param, None));
        }
    };
    if let Some(script) = shared.next_script(request) {
        match play(&script, reply, shared.pace)? {
            Played::Done(after) => return Ok(after),
            Played::Default => {}
        }
    }
    default_answer(door, reply, shared, &body, &request.body)
}

/// What is wrong, and the field at fault.
type Wrong = (String, Option<&'static str>);

fn checked(door: Door, request: &Recorded) -> Result<Value, Wrong> {
    let header = |name: &str| find(&request.headers, name);
    let wrong = |what: &str| Err((what.to_owned(), None));
    let compartment = header("opc-compartment-id");
    // A key says by itself whose it is.
    let has_key = header("authorization").is_some_and(|text| text.starts_with("Bearer "));
    if has_key && compartment.is_some() {
        return wrong("a compartment is named beside an API key");
    }
    if !has_key && (compartment.is_none() || compartment != header("compartmentid")) {
        return wrong("opc-compartment-id and CompartmentId must name the same compartment");
    }
    if header("openai-project").is_some() || header("openai-organization").is_some() {
        return wrong("OpenAI-Project and OpenAI-Organization are not those of this tenancy");
    }
    if header("accept-encoding") != Some("identity") {
        return wrong("a stream would arrive compressed");
    }
    let body: Value = match serde_json::from_slice(&request.body) {
        Ok(body) => body,
        Err(_) => return wrong("We could not parse the JSON body of your request."),
    };
    door.check(&body)?;
    Ok(body)
}

fn default_answer(
    door: Door,
    reply: &mut Reply<'_>,
    shared: &Shared,
    body: &Value,
    bytes: &[u8],
) -> io::Result<After> {
    let asked = body
        .get("model")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut known = shared.models.iter();
    let model = known.find(|model| *model == asked || lists::model_ocid(model) == asked);
    let is_served = |model: &&String| {
        Vendor::of(model) != Vendor::Cohere && !is_dedicated(model) && door.serves(model)
    };
    let Some(model) = model.filter(is_served) else {
        let message = format!("Entity with key {asked} not found");
        let body = json!({"code": "404", "message": message}).to_string();
        return reply.whole(404, &[], body);
    };
    let chat = door.as_generic(body);
    let seed = hex(&Sha256::digest(bytes));
    let plan = answer::plan(model, &chat, &seed);
    let refusal = door
        .refusal(model, body, &chat, shared.strict)
        .or_else(|| quirks::too_long(&plan))
        .or_else(|| told::refusal(&plan));
    if let Some(refusal) = refusal {
        return refuse(reply, &refusal);
    }
    if body.get("stream") != Some(&Value::Bool(true)) {
        let whole = match door {
            Door::Chat => said::whole(&plan, model),
            Door::Responses => responses::whole(&plan, model, body),
        };
        return reply.whole(200, &[], whole.to_string());
    }
    stream(door, reply, shared, &plan, (model, body))
}

fn stream(
    door: Door,
    reply: &mut Reply<'_>,
    shared: &Shared,
    plan: &Plan,
    (model, body): (&str, &Value),
) -> io::Result<After> {
    let headers = [
        ("content-type".to_owned(), "text/event-stream".to_owned()),
        ("transfer-encoding".to_owned(), "chunked".to_owned()),
    ];
    reply.head(200, &headers)?;
    let wants_usage = body.pointer("/stream_options/include_usage") == Some(&Value::Bool(true));
    let mut events = match door {
        Door::Chat => said::events(plan, model, wants_usage),
        Door::Responses => responses::events(plan, model, body),
    };
    let is_broken = plan.failure == Some(Failure::BrokenStream);
    if is_broken {
        events.truncate(3);
    }
    let (mut ending, last) = (Ending::default(), events.len());
    for (number, event) in (1..).zip(events) {
        reply.connection.pause(shared.pace)?;
        // A response says that it has no usage yet.
        let is_sign = door == Door::Chat && ending.comes_with(event.as_bytes());
        let is_end = is_sign || door.finishes(&event);
        if is_end || number == last {
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

/// The vendors' refusals come as they are, in OpenAI's shape.
fn refuse(reply: &mut Reply<'_>, refusal: &Refusal) -> io::Result<After> {
    let seconds = refusal.retry_after.as_ref().map(u32::to_string);
    let headers = seconds.map(|seconds| ("retry-after".to_owned(), seconds));
    // Some hold OpenAI's own error in a string already.
    let inner: Option<Value> = json::from_text(&refusal.message).ok();
    let body = match inner.filter(|inner| inner.get("error").is_some()) {
        Some(error) => error.to_string(),
        None => refusal_body(&refusal.message, None, Some(refusal.code)),
    };
    reply.whole(refusal.status, headers.as_slice(), body)
}

fn refusal_body(message: &str, param: Option<&str>, code: Option<&str>) -> String {
    let error =
        json!({"message": message, "type": "invalid_request_error", "param": param, "code": code});
    json!({"error": error}).to_string()
}
