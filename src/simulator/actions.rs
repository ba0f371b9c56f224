//! Embeddings and rerankings: what the service answers to `embedText` and `rerankText`, and what it refuses. Source: OCI API
//! 20231130; reference §9.

use std::io;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Recorded;
use super::answer::is_dedicated;
use super::failures::Failure;
use super::failures::told;
use super::lists::{self, Capability};
use super::meaning;
use super::quirks::{Refusal, bad};
use super::reply::{After, Reply, error_body};
use super::schema::{self, items};
use super::script::{Played, play};
use super::server::{hex, json_body};
use super::state::Shared;

/// Dimensions of a reranker's pretended inside.
const INSIDE: usize = 256;
/// Tokens of a text that the older models take; what is behind is cut, or refused.
const MAX_TOKENS_V3: usize = 512;
/// The same of the newer ones.
const MAX_TOKENS_V4: usize = 128_000;

pub(super) fn embed(
    reply: &mut Reply<'_>,
    shared: &Shared,
    request: &Recorded,
) -> io::Result<After> {
    answer(
        reply,
        shared,
        request,
        schema::actions::check_embed,
        &|model, body| embedded(model, body),
    )
}

pub(super) fn rerank(
    reply: &mut Reply<'_>,
    shared: &Shared,
    request: &Recorded,
) -> io::Result<After> {
    answer(
        reply,
        shared,
        request,
        schema::actions::check_rerank,
        &|model, body| reranked(model, body),
    )
}

/// The path that both take; the model's answer is JSON.
fn answer(
    reply: &mut Reply<'_>,
    shared: &Shared,
    request: &Recorded,
    check: fn(&Value) -> Result<(), schema::Problem>,
    model_says: &dyn Fn(&str, &Value) -> Result<String, Refusal>,
) -> io::Result<After> {
    let Some(body) = json_body(request) else {
        return reply.refuse(400, "CannotParseRequest", "Incorrectly formatted request");
    };
    if let Err(problem) = check(&body) {
        log::debug!("simulator: 400: {problem:?}");
        return reply.refuse(400, problem.code, &problem.message);
    }
    if let Some(script) = shared.next_script(request) {
        match play(&script, reply, shared.pace)? {
            Played::Done(after) => return Ok(after),
            Played::Default => {}
        }
    }
    let model = match lists::asked(shared, &body) {
        Ok(model) => model,
        Err(missing) => return reply.whole(404, &[], missing),
    };
    match model_says(model, &body) {
        Ok(answer) => reply.whole(200, &[], answer),
        Err(refusal) => {
            let seconds = refusal.retry_after.as_ref().map(u32::to_string);
            let headers = seconds.map(|seconds| ("retry-after".to_owned(), seconds));
            let body = error_body(refusal.code, &refusal.message);
            reply.whole(refusal.status, headers.as_slice(), body)
        }
    }
}

fn embedded(model: &str, body: &Value) -> Result<String, Refusal> {
    lists::must_be(model, Capability::Embeddings)?;
    let newer = model.starts_with("cohere.embed-v4") || is_dedicated(model);
    let dimensions = dimensions(model, body, newer)?;
    let most = if newer { MAX_TOKENS_V4 } else { MAX_TOKENS_V3 };
    let uncut = body.get("truncate").is_none_or(|word| word == "NONE");
    let (mut list, mut tokens) = (Vec::new(), 0);
    for (at, text) in items(body, "inputs").filter_map(Value::as_str).enumerate() {
        if let Some(refusal) = Failure::asked_for(text).and_then(told::of_words) {
            return Err(refusal);
        }
        let count = meaning::tokens(text);
        if count > most && uncut {
            return Err(bad(format!(
                "Invalid 'inputs[{at}]': too many tokens: {count}, the maximum number of tokens is {most}"
            )));
        }
        tokens += count.min(most);
        list.push(written(&meaning::vector(text, dimensions)));
    }
    let list = format!("[{}]", list.join(","));
    let floats = match body.get("embeddingTypes") {
        None => format!("\"embeddings\":{list}"),
        Some(_) => format!("\"embeddings\":[],\"embeddingsByType\":{{\"float\":{list}}}"),
    };
    let rest = json!({
        "id": id(body),
        "modelId": model,
        "modelVersion": "1.0",
        "usage": {"completionTokens": 0, "promptTokens": tokens, "totalTokens": tokens},
    });
    let rest = rest.to_string();
    Ok(format!("{{{floats},{}", rest.trim_start_matches('{')))
}

/// How long its vectors are.
fn dimensions(model: &str, body: &Value, newer: bool) -> Result<usize, Refusal> {
    let usual = match model {
        _ if newer => 1536,
        model if model.contains("light") => 384,
        _ => 1024,
    };
    let asked = body.get("outputDimensions").and_then(Value::as_u64);
    match asked.map(usize::try_from) {
        None => Ok(usual),
        Some(Ok(asked @ (256 | 512 | 1024 | 1536))) if newer => Ok(asked),
        Some(_) => Err(bad(format!(
            "Invalid 'outputDimensions': not supported by this model, {model}"
        ))),
    }
}

fn written(vector: &[f32]) -> String {
    let numbers: Vec<_> = vector
        .iter()
        .map(|number| meaning::number(*number))
        .collect();
    format!("[{}]", numbers.join(","))
}

fn reranked(model: &str, body: &Value) -> Result<String, Refusal> {
    lists::must_be(model, Capability::Rerank)?;
    let question = body
        .get("input")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if let Some(refusal) = Failure::asked_for(question).and_then(told::of_words) {
        return Err(refusal);
    }
    let wanted = meaning::vector(question, INSIDE);
    let documents = items(body, "documents").filter_map(Value::as_str);
    let mut ranks: Vec<_> = documents
        .enumerate()
        .map(|(index, text)| {
            let score = meaning::likeness(&wanted, &meaning::vector(text, INSIDE));
            (index, score, text)
        })
        .collect();
    ranks.sort_by(|one, other| other.1.total_cmp(&one.1));
    let most = body.get("topN").and_then(Value::as_u64);
    ranks.truncate(
        most.and_then(|most| usize::try_from(most).ok())
            .unwrap_or(usize::MAX),
    );
    let echo = body.get("isEcho") == Some(&Value::Bool(true));
    let ranks: Vec<_> = ranks
        .into_iter()
        .map(|(index, score, text)| {
            let mut rank = json!({"index": index, "relevanceScore": score});
            if let (true, Some(rank)) = (echo, rank.as_object_mut()) {
                // Both forms were seen.
                let document = if model.contains("v4") {
                    json!(text)
                } else {
                    json!({"text": text})
                };
                rank.insert("document".to_owned(), document);
            }
            rank
        })
        .collect();
    let answer =
        json!({"documentRanks": ranks, "id": id(body), "modelId": model, "modelVersion": "1.0"});
    Ok(answer.to_string())
}

/// The same to the same request.
fn id(body: &Value) -> String {
    hex(&Sha256::digest(body.to_string().as_bytes()))
        .chars()
        .take(32)
        .collect()
}
