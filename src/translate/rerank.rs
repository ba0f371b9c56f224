//! Reranking: a client's request in OCI's words, and the ranks in Cohere's. Specification: reference §9.2; Cohere API reference,
//! Rerank v1 and v2.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json;
use crate::oci::error::OciError;
use crate::oci::wire::Ask;
use crate::oci::wire::rerank::{Answer, Rank, Request};
use crate::openai::error::ApiError;
use crate::openai::rerank::{Document, RerankRequest};

use super::BadRequest;
use super::asked::{Answered, Asked};
use super::embeddings::unreadable;

/// The field that counts where a request names none.
const TEXT: &str = "text";

/// OCI's names of what a call holds, and the client's.
const NAMES: [(&str, &str); 5] = [
    ("input", "query"),
    ("is_echo", "return_documents"),
    ("max_chunks_per_document", "max_chunks_per_doc"),
    ("max_tokens_per_document", "max_tokens_per_doc"),
    ("messages", "documents"),
];

/// A request under way.
#[derive(Debug)]
pub(crate) struct Rerank {
    id: String,
    model: String,
    request: Request,
    /// Of documents that came as objects, to be returned; empty if none is.
    objects: Vec<Option<Map<String, Value>>>,
}

#[derive(Serialize)]
struct Reply<'a> {
    id: &'a str,
    model: &'a str,
    results: Vec<Ranked>,
    meta: Meta,
}

#[derive(Serialize)]
struct Ranked {
    index: usize,
    /// As OCI has written it.
    relevance_score: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Map<String, Value>>,
}

/// OCI does not say what a call took.
#[derive(Serialize)]
struct Meta {
    api_version: ApiVersion,
}

#[derive(Serialize)]
struct ApiVersion {
    version: &'static str,
}

/// In OCI's words; `id` is for an answer that has none. Errors: 400 that names the field.
pub(crate) fn rerank(request: RerankRequest, id: String) -> Result<Rerank, BadRequest> {
    let is_echo = request.return_documents == Some(true);
    let mut documents = Vec::with_capacity(request.documents.len());
    let mut objects = Vec::new();
    for (at, document) in request.documents.into_iter().enumerate() {
        let (text, object) = match document {
            Document::Text(text) => (text, None),
            Document::Fields(fields) => {
                let text = text_of(&fields, &request.rank_fields, at)?;
                (text, Some(fields).filter(|_| is_echo))
            }
        };
        if object.is_some() {
            objects.resize_with(at, || None);
            objects.push(object);
        }
        documents.push(text);
    }
    Ok(Rerank {
        id,
        model: request.model,
        request: Request {
            input: request.query,
            documents,
            top_n: request.top_n,
            is_echo,
            max_chunks_per_document: request.max_chunks_per_doc,
            max_tokens_per_document: request.max_tokens_per_doc,
        },
        objects,
    })
}

/// The text that stands for an object: its `text`, or with `rank_fields` those of them that it has, each on a line of its own behind
/// its name.
fn text_of(
    object: &Map<String, Value>,
    rank_fields: &[String],
    at: usize,
) -> Result<String, BadRequest> {
    if rank_fields.is_empty() {
        return match object.get(TEXT) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(BadRequest::invalid(
                format!("documents[{at}].text"),
                "must be a string",
            )),
            None => Err(BadRequest::invalid(
                format!("documents[{at}]"),
                "an object needs `text`, or `rank_fields` that name the fields that count",
            )),
        };
    }
    if let [only] = rank_fields
        && let Some(Value::String(text)) = object.get(only)
    {
        return Ok(text.clone());
    }
    let lines = rank_fields.iter().filter_map(|name| {
        let value = match object.get(name)? {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                value.to_string()
            }
        };
        Some(format!("{name}: {value}"))
    });
    let lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        return Err(BadRequest::invalid(
            format!("documents[{at}]"),
            "it has none of the fields that `rank_fields` names",
        ));
    }
    Ok(lines.join("\n"))
}

impl Rerank {
    fn ranked(&mut self, mut rank: Rank) -> Option<Ranked> {
        let index = usize::try_from(rank.index?).ok()?;
        let text = self.request.documents.get_mut(index)?;
        let relevance_score = rank
            .relevance_score
            .take()
            .filter(|score| is_number(score))?;
        let document = self.request.is_echo.then(|| {
            let object = self.objects.get_mut(index).and_then(Option::take);
            let text = rank.text().unwrap_or_else(|| std::mem::take(text));
            let mut document = object.unwrap_or_default();
            // Clients look for it whatever else there is.
            document.entry(TEXT).or_insert(Value::String(text));
            document
        });
        Some(Ranked {
            index,
            relevance_score,
            document,
        })
    }
}

impl Asked for Rerank {
    fn ask(&self) -> Ask<'_> {
        Ask::Rerank(&self.request)
    }

    fn answered(&mut self, answer: &[u8]) -> Result<Answered, OciError> {
        let answer: Answer = json::read(answer).map_err(|error| unreadable(&error))?;
        let broken = |why: &str| OciError::Broken {
            why: why.to_owned(),
        };
        let ranks = answer
            .document_ranks
            .ok_or_else(|| broken("it has no ranks"))?;
        let mut seen = vec![false; self.request.documents.len()];
        for rank in &ranks {
            let index = rank.index.and_then(|index| usize::try_from(index).ok());
            let place = index.and_then(|index| seen.get_mut(index));
            if place.is_none_or(|seen| std::mem::replace(seen, true)) {
                return Err(broken(
                    "a rank is of no document, or of one that has a rank already",
                ));
            }
            let score = rank.relevance_score.as_deref();
            if !score.is_some_and(is_number) {
                return Err(broken("a rank has no score"));
            }
        }
        let top = self.request.top_n.and_then(|top| usize::try_from(top).ok());
        let wanted = top.map_or(seen.len(), |top| top.min(seen.len()));
        if ranks.len() < wanted {
            return Err(broken(&format!("it has {} ranks of {wanted}", ranks.len())));
        }
        let results = ranks
            .into_iter()
            .take(wanted)
            .filter_map(|rank| self.ranked(rank))
            .collect();
        let body = serde_json::to_vec(&Reply {
            id: answer.id.as_deref().unwrap_or(&self.id),
            model: &self.model,
            results,
            meta: Meta {
                api_version: ApiVersion { version: "2" },
            },
        });
        let body = body.map_err(|error| broken(&error.to_string()))?;
        Ok(Answered::Whole { body, tokens: None })
    }

    fn held(&self) -> usize {
        0
    }

    fn in_clients_words(&self, told: ApiError) -> ApiError {
        let param = told.param.as_deref().map(|param| {
            let end = param.find(['.', '[']).unwrap_or(param.len());
            let (name, place) = param.split_at(end);
            let known = NAMES.iter().find(|(oci, _)| *oci == name);
            format!("{}{place}", known.map_or(name, |(_, name)| *name))
        });
        told.with_param(param)
    }
}

/// Of valid JSON.
fn is_number(json: &RawValue) -> bool {
    let first = json.get().as_bytes().first();
    first.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]
mod tests;
