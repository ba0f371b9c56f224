//! What the service lists: the control plane's models, page by page, and the versions of the guardrails, which are the
//! one thing of the inference plane that costs nothing to ask for. Source: reference §1.2, §1.3, and the SDK for the
//! guardrails' shape.

use std::io;

use serde_json::{Value, json};

use super::Recorded;
use super::answer;
use super::listed::ListedModel;
use super::quirks::{Refusal, bad};
use super::reply::{After, Reply};
use super::script::{Played, play};
use super::state::Shared;

/// What follows the number in the name of a page, as in a query: names are opaque, and have to be escaped.
const PAGE_MARK: &str = "%2B%2F%3D%3D";

/// Models of one page of the list, if the request names no limit.
const PAGE_MODELS: usize = 100;

/// What a model can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capability {
    Chat,
    Embeddings,
    Rerank,
}

impl Capability {
    pub(super) fn of(model: &str) -> Self {
        match model {
            _ if model.starts_with("cohere.embed") => Self::Embeddings,
            _ if model.starts_with("cohere.rerank") => Self::Rerank,
            _ => Self::Chat,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "CHAT",
            Self::Embeddings => "TEXT_EMBEDDINGS",
            Self::Rerank => "TEXT_RERANK",
        }
    }
}

/// Whether the model can do it; behind a dedicated endpoint any model may be.
pub(super) fn must_be(model: &str, capability: Capability) -> Result<(), Refusal> {
    if answer::is_dedicated(model) || Capability::of(model) == capability {
        return Ok(());
    }
    let word = capability.as_str();
    Err(bad(format!(
        "Model {model} does not have the capability {word}"
    )))
}

/// The model that a call is for. Errors: the body of a 404.
pub(super) fn asked<'a>(shared: &'a Shared, details: &Value) -> Result<&'a str, String> {
    let serving = details.get("servingMode").unwrap_or(&Value::Null);
    let asked = serving.get("modelId").or_else(|| serving.get("endpointId"));
    let asked = asked.and_then(Value::as_str).unwrap_or_default();
    let mut models = shared.models.iter();
    let known = models.find(|model| *model == asked || model_ocid(model) == asked);
    known.map(String::as_str).ok_or_else(|| {
        let message = format!("Entity with key {asked} not found");
        json!({"code": 404, "message": message}).to_string()
    })
}

/// The control plane's list, page by page.
pub(super) fn models(
    reply: &mut Reply<'_>,
    shared: &Shared,
    request: &Recorded,
) -> io::Result<After> {
    if let Some(script) = shared.control_script(request) {
        match play(&script, reply, shared.pace)? {
            Played::Done(after) => return Ok(after),
            Played::Default => {}
        }
    }
    let (_, query) = request.target.split_once('?').unwrap_or_default();
    let asked = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    };
    if asked("compartmentId").is_none_or(str::is_empty) {
        return reply.refuse(400, "MissingParameter", "compartmentId is required");
    }
    let number = |name: &str| asked(name).and_then(|value| value.parse::<usize>().ok());
    let (from, limit) = (
        asked("page").map_or(Some(0), first_of_page),
        number("limit").unwrap_or(PAGE_MODELS).max(1),
    );
    let Some(from) = from else {
        return reply.refuse(400, "InvalidParameter", "page is none that was named");
    };
    // Whether several mean all or any is not documented: here any.
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let capabilities = pairs.filter(|(name, _)| *name == "capability");
    let capabilities: Vec<_> = capabilities.map(|(_, value)| value).collect();
    let listed = shared.listed(request.account.as_deref());
    let all: Vec<ListedModel> = listed.unwrap_or_else(|| {
        let models = shared.models.iter();
        models.map(|model| ListedModel::new(model)).collect()
    });
    let all: Vec<_> = all
        .iter()
        .filter(|model| model.is_able(&capabilities))
        .collect();
    let limit = limit.min(shared.page_models());
    let page: Vec<_> = all
        .iter()
        .skip(from)
        .take(limit)
        .map(|model| model.summary())
        .collect();
    let mut headers = Vec::new();
    let next = from.saturating_add(page.len());
    if next < all.len() {
        headers.push(("opc-next-page".to_owned(), format!("{next}+/==")));
    }
    let body = json!({ "items": page }).to_string();
    reply.whole(200, &headers, body)
}

/// The first model of a page, from its name.
fn first_of_page(name: &str) -> Option<usize> {
    name.strip_suffix(PAGE_MARK)?.parse().ok()
}

/// The inference plane's list. It is there without a compartment: where the service wants one, nobody has recorded.
pub(super) fn guardrail_versions(
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
    let version = json!({
        "guardrailVersion": "1.0.0",
        "state": "ACTIVE",
        "description": "Simulated",
        "timeActivated": "2026-05-26T00:00:00Z",
    });
    reply.whole(200, &[], json!({ "items": [version] }).to_string())
}

/// A model's own OCID, which the service takes instead of its name. A dedicated endpoint is its OCID already.
pub(super) fn model_ocid(model: &str) -> String {
    if answer::is_dedicated(model) {
        return model.to_owned();
    }
    format!(
        "ocid1.generativeaimodel.oc1.us-chicago-1.{}",
        model.replace('.', "")
    )
}
