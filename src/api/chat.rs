//! A request that a chat answers: a worker parses, translates, dispatches, and writes the request's one log line. Which API it
//! came by shows in how it is [read](Read) and in the [`Render`] of its answer, nowhere else.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::api::Live;
use crate::api::served::{self, About, Refused};
use crate::dispatch::Job;
use crate::dispatch::request::{Conversation, Read, Request, Translation};
use crate::http::body::{Body, Share};
use crate::http::exchange::Exchange;
use crate::names::RequestId;
use crate::openai::chat::{ChatRequest, id_of};
use crate::openai::error::ApiError;
use crate::openai::render::{ChatRender, Render};
use crate::responses::Answering;
use crate::stats::models::Operation;
use crate::translate::models::{Purpose, UpstreamApi};
use crate::translate::passthrough::{Action, Asked as AskedThrough};
use crate::translate::{self, Dialect, ReplyMeta, fields};

/// Names of fields that are noted as left out, so that a client with ever new ones cannot fill the memory.
const MAX_NOTED: usize = 256;

/// Of a response that goes through and may not be asked for as a stream.
const NO_STREAM: &str = "`stream`: with `force_non_stream` OCI is asked for no streams, and a whole response of its \
                         OpenAI-compatible API is not made into one. Ask without `stream`, or set `upstream_api = native` or `auto` \
                         for this model, with the conversation in `input`.";

/// `POST /v1/chat/completions`.
pub(crate) fn read(body: &[u8], _id: &RequestId) -> Result<Conversation, ApiError> {
    Ok(Conversation {
        request: ChatRequest::parse(body)?,
        render: Box::new(ChatRender),
        lost: Vec::new(),
    })
}

/// Answers a request with a chat. Called by a worker; returns when the answer was written. `action`: what the request is on OCI's
/// OpenAI-compatible API, if that takes it as it is.
pub(crate) fn answer(live: &Live, exchange: Exchange, read: Read, action: Option<Action>) {
    let about = About::of(&exchange, Operation::Chat);
    match prepare(live, &exchange, read, action) {
        Ok(job) => {
            let (model, is_stream) = (job.model.clone(), job.wants_stream);
            let outcome = live.dispatch.serve(job, exchange);
            about.served(live, &model, is_stream, &outcome);
        }
        Err(refused) => about.refused(live, exchange, &refused),
    }
}

/// Never inlined, as `Dispatch::serve` and what it calls for long: a worker keeps all of its stack that it ever used, and what is
/// done one after the other needs no more of it than the deepest.
#[inline(never)]
fn prepare(
    live: &Live,
    exchange: &Exchange,
    read: Read,
    action: Option<Action>,
) -> Result<Job, Refused> {
    let (body, memory) = served::body(exchange)?;
    let (body, memory) = match action.filter(|_| live.settings.models.has_openai_api()) {
        Some(action) => match pass(live, exchange.request_id(), (action, read), body, memory) {
            Ok(passed) => return passed,
            Err(back) => back,
        },
        None => (body, memory),
    };
    let Conversation {
        request,
        render,
        mut lost,
    } = read(&body, exchange.request_id())?;
    // Those of a chat alone are known one by one.
    let is_chat = exchange.head().path.ends_with("/chat/completions");
    let names = if is_chat && log::log_enabled!(log::Level::Debug) {
        ChatRequest::field_names(&body)
    } else {
        Vec::new()
    };
    let memory = body.into_share(memory);
    let (model, target) = live.resolve_for(&request.model, Purpose::Chat)?;
    let target = &target;
    for name in names {
        if let Some(why) = fields::why_dropped(&name, target.format()) {
            note_dropped(name, why);
        }
    }
    let dialect = Dialect::of(&request, target);
    let meta = reply_meta(exchange.request_id(), &request, dialect);
    let (wants_stream, include_usage) = (request.wants_stream(), request.wants_usage());
    let choices = request.choices();
    let unsaid = fields::lost(&request, target.format());
    lost.extend(unsaid.into_iter().map(str::to_owned));
    let refused = |error| Refused {
        model: Some(model.clone()),
        error,
    };
    Ok(Job {
        model: model.clone(),
        serving: target.serving_mode(),
        request: translate::request(request, target, &live.rules)
            .map(Request::native)
            .map_err(|error| refused(render.refusal(error.into())))?,
        memory: Some(memory),
        meta,
        render,
        wants_stream,
        include_usage,
        choices,
        lost,
    })
}

/// The job of a request that goes through as it is; what it was made of, if it is for the native API.
#[inline(never)]
fn pass(
    live: &Live,
    id: &RequestId,
    (action, read): (Action, Read),
    body: Body,
    memory: Share,
) -> Result<Result<Job, Refused>, (Body, Share)> {
    // Who translates it says what is wrong with it.
    let asked = AskedThrough::read(action, &body);
    let known = asked.and_then(|asked| {
        let (model, target) = live.resolve(&asked.model).ok()?;
        Some((asked, model, target))
    });
    let Some((asked, model, target)) = known else {
        return Err((body, memory));
    };
    let is_unstreamable = live.rules.force_non_stream && asked.wants_stream && !action.unfolds();
    let translation = match target.api() {
        UpstreamApi::Native => return Err((body, memory)),
        UpstreamApi::OpenAi => None,
        UpstreamApi::Auto if action.is_missing_for(&target) => return Err((body, memory)),
        UpstreamApi::Auto if target.is_never_native() || asked.needs_storage() => None,
        UpstreamApi::Auto if is_unstreamable => return Err((body, memory)),
        UpstreamApi::Auto => Some(Translation {
            target: target.clone(),
            rules: live.rules,
            read,
            id: id.clone(),
        }),
    };
    if is_unstreamable {
        let error = ApiError::invalid_request(NO_STREAM, Some("stream".to_owned()));
        let model = Some(model);
        return Ok(Err(Refused { model, error }));
    }
    let (wants_stream, include_usage) = (asked.wants_stream, asked.wants_usage);
    let choices = asked.choices;
    let meta = meta_of(id, asked.model.clone());
    let passed = asked.for_model(&target, &live.rules);
    Ok(Ok(Job {
        model,
        serving: target.serving_mode(),
        request: Request::passed(passed, translation),
        memory: Some(body.into_share(memory)),
        meta,
        render: render_of(action),
        wants_stream,
        include_usage,
        choices,
        lost: Vec::new(),
    }))
}

/// What ends a copied answer that upstream does not.
fn render_of(action: Action) -> Box<dyn Render> {
    match action {
        Action::ChatCompletions => Box::new(ChatRender),
        Action::Responses => Box::new(Answering::copying()),
    }
}

/// Once a name: a client sends the same fields with each request.
fn note_dropped(name: String, why: &str) {
    static NOTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut noted = NOTED.lock();
    let is_new = noted.len() < MAX_NOTED && noted.insert(name.clone());
    drop(noted);
    if is_new {
        log::debug!("the field {name:?} of requests is left out: {why}");
    }
}

fn reply_meta(id: &RequestId, request: &ChatRequest, dialect: Dialect) -> ReplyMeta {
    ReplyMeta {
        function_call: request.wants_function_call(),
        dialect,
        ..meta_of(id, request.model.clone())
    }
}

/// Of an answer in the usual words.
fn meta_of(id: &RequestId, model: String) -> ReplyMeta {
    ReplyMeta {
        id: id_of(id.as_str()),
        created: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        model,
        tool_id_seed: id.as_str().to_owned(),
        function_call: false,
        dialect: Dialect::default(),
    }
}
