//! What the service lists: the control plane's models, page by page, and the versions of the guardrails, which are the
//! one thing of the inference plane that costs nothing to ask for. Source: reference §1.2, §1.3, and the SDK for the
//! guardrails' shape.

use std::io;

use serde_json::{Value, json};

use super::Recorded;
use super::answer::{self, Vendor};
use super::reply::{After, Reply};
use super::script::{Played, play};
use super::state::Shared;

/// Models of one page of the list, if the request names no limit.
const PAGE_MODELS: usize = 100;

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
    reply.whole(200, &headers, body)
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
pub(super) fn model_ocid(model: &str) -> String {
    if answer::is_dedicated(model) {
        return model.to_owned();
    }
    format!(
        "ocid1.generativeaimodel.oc1.us-chicago-1.{}",
        model.replace('.', "")
    )
}
