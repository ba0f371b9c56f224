//! `GET /v1/models` and `GET /v1/models/{id}`: the names of `[MODELS]` and those that OCI lists, answered without asking OCI, in
//! OpenAI's shape or Anthropic's.

use crate::api::Live;
use crate::http::reply::Reply;
use crate::http::shape::Shape;
use crate::messages::models::{ModelInfo, ModelPage};
use crate::openai::error::ApiError;
use crate::openai::models::{Model, ModelList};
use crate::translate::listed::Listed;
use crate::translate::models::{ModelTarget, UNKNOWN_VENDOR};

pub(crate) fn list(live: &Live, shape: Shape) -> Reply {
    let models = live.settings.models.iter();
    match shape {
        Shape::OpenAi => {
            let data = models.map(|(name, target)| model(live, name.as_str(), target));
            json(&ModelList::new(data.collect()))
        }
        Shape::Anthropic => {
            let data = models.map(|(name, target)| info(live, name.as_str(), target));
            json(&ModelPage::new(data.collect()))
        }
    }
}

/// One model by the name clients use; a fallback of `default_model` is no model of its own.
pub(crate) fn one(live: &Live, name: &str, shape: Shape) -> Reply {
    match (live.settings.models.find(name), shape) {
        (Some((name, target)), Shape::OpenAi) => json(&model(live, name.as_str(), target)),
        (Some((name, target)), Shape::Anthropic) => json(&info(live, name.as_str(), target)),
        (None, _) => Reply::error(&live.unknown(name)),
    }
}

fn info<'a>(live: &Live, name: &'a str, target: &ModelTarget) -> ModelInfo<'a> {
    let listed = live.settings.models.listed(target);
    let created = listed.and_then(|listed| listed.created);
    ModelInfo::new(name, created.unwrap_or(live.loaded))
}

/// What OCI lists of it counts: when it was made, and by whom, should its id not say.
fn model<'a>(live: &'a Live, name: &'a str, target: &'a ModelTarget) -> Model<'a> {
    let models = &live.settings.models;
    let listed = models.listed(target);
    let vendor = listed.and_then(|listed: &Listed| listed.vendor.as_deref());
    let owned_by = match (target.vendor(), vendor) {
        (UNKNOWN_VENDOR, Some(vendor)) => vendor,
        (vendor, _) => vendor,
    };
    let created = listed.and_then(|listed| listed.created);
    let capabilities = models.capabilities(target).words().collect();
    Model::new(name, created.unwrap_or(live.loaded), owned_by, capabilities)
}

pub(super) fn json(value: &impl serde::Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => Reply::json(200, body),
        Err(_) => Reply::error(&ApiError::internal()),
    }
}
