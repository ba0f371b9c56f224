//! `GET /v1/models` and `GET /v1/models/{id}`: the names of `[MODELS]`, answered without asking OCI.

use crate::api::Live;
use crate::http::reply::Reply;
use crate::openai::error::ApiError;
use crate::openai::models::{Model, ModelList};

pub(crate) fn list(live: &Live) -> Reply {
    let data = live
        .settings
        .models
        .iter()
        .map(|(name, target)| model(live, name.as_str(), target.vendor()))
        .collect();
    json(&ModelList::new(data))
}

/// One model by the name clients use; a fallback of `default_model` is no model of its own.
pub(crate) fn one(live: &Live, name: &str) -> Reply {
    let found = live
        .settings
        .models
        .iter()
        .find(|(known, _)| known.as_str() == name);
    match found {
        Some((name, target)) => json(&model(live, name.as_str(), target.vendor())),
        None => Reply::error(&ApiError::unknown_model(name)),
    }
}

fn model<'a>(live: &Live, name: &'a str, vendor: &'a str) -> Model<'a> {
    Model::new(name, live.loaded, vendor)
}

fn json(value: &impl serde::Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => Reply::json(200, body),
        Err(_) => Reply::error(&ApiError::internal()),
    }
}
