//! `POST /v1/embeddings` and `POST /v1/rerank`: a worker parses, translates, dispatches, and writes the request's one log line.

use crate::api::Live;
use crate::api::served::{self, About, Refused};
use crate::dispatch::asked::AskedJob;
use crate::http::exchange::Exchange;
use crate::names::RequestId;
use crate::openai::embeddings::EmbeddingsRequest;
use crate::openai::error::ApiError;
use crate::openai::rerank::RerankRequest;
use crate::stats::models::Operation;
use crate::translate;
use crate::translate::asked::Asked;
use crate::translate::models::Purpose;

/// An endpoint that no chat answers.
pub(super) struct Endpoint {
    operation: Operation,
    /// What its models are for.
    purpose: Purpose,
    /// The model that a body names, and the rest of it. Errors: 400 that names the field at fault.
    read: Read,
}

type Read = fn(&[u8], &RequestId) -> Result<(String, Translate), ApiError>;

/// Puts a request into OCI's words. Errors: 400 that names the field at fault.
type Translate = Box<dyn FnOnce() -> Result<Box<dyn Asked>, ApiError>>;

pub(super) const EMBEDDINGS: Endpoint = Endpoint {
    operation: Operation::Embeddings,
    purpose: Purpose::Embeddings,
    read: |body, _id| {
        let request = EmbeddingsRequest::parse(body)?;
        let model = request.model.clone();
        let translate = || Ok(Box::new(translate::embeddings(request)?) as Box<dyn Asked>);
        Ok((model, Box::new(translate)))
    },
};

pub(super) const RERANK: Endpoint = Endpoint {
    operation: Operation::Rerank,
    purpose: Purpose::Rerank,
    read: |body, id| {
        let request = RerankRequest::parse(body)?;
        let (model, id) = (request.model.clone(), id.to_string());
        let translate = || Ok(Box::new(translate::rerank(request, id)?) as Box<dyn Asked>);
        Ok((model, Box::new(translate)))
    },
};

/// Answers a request at that endpoint. Called by a worker; returns when the answer was written.
pub(super) fn answer(live: &Live, exchange: Exchange, endpoint: &Endpoint) {
    let about = About::of(&exchange, endpoint.operation);
    match prepare(live, &exchange, endpoint) {
        Ok(job) => {
            let model = job.model.clone();
            let outcome = live.dispatch.serve_asked(job, exchange);
            about.served(live, &model, false, &outcome);
        }
        Err(refused) => about.refused(live, exchange, &refused),
    }
}

#[inline(never)]
fn prepare(live: &Live, exchange: &Exchange, endpoint: &Endpoint) -> Result<AskedJob, Refused> {
    let (body, memory) = served::body(exchange)?;
    let (name, translate) = (endpoint.read)(&body, exchange.request_id())?;
    let memory = body.into_share(memory);
    let (model, target) = live.resolve_for(&name, endpoint.purpose)?;
    let asked = translate().map_err(|error| Refused {
        model: Some(model.clone()),
        error,
    })?;
    Ok(AskedJob {
        model: model.clone(),
        serving: target.serving_mode(),
        asked,
        memory,
    })
}
