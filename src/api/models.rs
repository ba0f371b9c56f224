//! `GET /v1/models` and `GET /v1/models/{id}`: the names of `[MODELS]`, answered without asking OCI, in OpenAI's shape or
//! Anthropic's.

use crate::api::Live;
use crate::http::reply::Reply;
use crate::http::shape::Shape;
use crate::messages::models::{ModelInfo, ModelPage};
use crate::openai::error::ApiError;
use crate::openai::models::{Model, ModelList};

pub(crate) fn list(live: &Live, shape: Shape) -> Reply {
    let models = live.settings.models.iter();
    match shape {
        Shape::OpenAi => {
            let data = models.map(|(name, target)| model(live, name.as_str(), target.vendor()));
            json(&ModelList::new(data.collect()))
        }
        Shape::Anthropic => {
            let data = models.map(|(name, _)| ModelInfo::new(name.as_str(), live.loaded));
            json(&ModelPage::new(data.collect()))
        }
    }
}

/// One model by the name clients use; a fallback of `default_model` is no model of its own.
pub(crate) fn one(live: &Live, name: &str, shape: Shape) -> Reply {
    let found = live
        .settings
        .models
        .iter()
        .find(|(known, _)| known.as_str() == name);
    match (found, shape) {
        (Some((name, target)), Shape::OpenAi) => json(&model(live, name.as_str(), target.vendor())),
        (Some((name, _)), Shape::Anthropic) => json(&ModelInfo::new(name.as_str(), live.loaded)),
        (None, _) => Reply::error(&ApiError::unknown_model(name)),
    }
}

fn model<'a>(live: &Live, name: &'a str, vendor: &'a str) -> Model<'a> {
    Model::new(name, live.loaded, vendor)
}

pub(super) fn json(value: &impl serde::Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => Reply::json(200, body),
        Err(_) => Reply::error(&ApiError::internal()),
    }
}
