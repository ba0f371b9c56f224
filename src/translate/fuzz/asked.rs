//! Embeddings and rerankings, attacked: what clients ask, and what OCI answers.
#![expect(clippy::unwrap_used, reason = "a broken promise ends the test")]

use serde_json::Value;

use super::{MAX_TOLD_CHARS, check_told};
use crate::fuzz::{Form, Target, golden};
use crate::oci::error::OciError;
use crate::oci::wire::ServingMode;
use crate::openai::embeddings::EmbeddingsRequest;
use crate::openai::error::ApiError;
use crate::openai::rerank::RerankRequest;
use crate::simulator::schema::actions::{check_embed, check_rerank};
use crate::translate::asked::{Answered, Asked};
use crate::translate::{embeddings, error, rerank};

const WORDS: [&str; 24] = [
    "model",
    "input",
    "dimensions",
    "encoding_format",
    "base64",
    "input_type",
    "image",
    "search_query",
    "truncate",
    "NONE",
    "data:image/png;base64,AAAA",
    "query",
    "documents",
    "text",
    "top_n",
    "rank_fields",
    "return_documents",
    "max_tokens_per_doc",
    "embeddings",
    "embeddingsByType",
    "documentRanks",
    "relevanceScore",
    "index",
    "usage",
];

type Make = fn(&[u8]) -> Result<Box<dyn Asked>, ApiError>;

fn of_embeddings(body: &[u8]) -> Result<Box<dyn Asked>, ApiError> {
    Ok(Box::new(embeddings(EmbeddingsRequest::parse(body)?)?))
}

fn of_rerank(body: &[u8]) -> Result<Box<dyn Asked>, ApiError> {
    Ok(Box::new(rerank(
        RerankRequest::parse(body)?,
        "id".to_owned(),
    )?))
}

/// What is sent is good by a second opinion, or the client is told.
fn check_request(body: &[u8], make: Make) -> bool {
    match make(body) {
        Ok(asked) => {
            let serving = ServingMode::of_id("cohere.any");
            let sent = asked.ask().to_json("ocid1.compartment.oc1..c", &serving);
            let sent: Value = serde_json::from_slice(&sent.unwrap()).unwrap();
            let is_rerank = sent.get("documents").is_some();
            let checked = if is_rerank {
                check_rerank(&sent)
            } else {
                check_embed(&sent)
            };
            // How an image is packed is for OCI to say.
            let is_images = |why: &str| why.contains("one image as a data URI");
            assert!(
                checked
                    .as_ref()
                    .err()
                    .is_none_or(|problem| is_images(&problem.message)),
                "{checked:?} {sent}"
            );
            true
        }
        Err(refused) => {
            assert_eq!(refused.status, 400, "{refused:?}");
            assert!(refused.message.chars().count() <= MAX_TOLD_CHARS);
            assert!(serde_json::from_str::<Value>(&refused.to_json()).is_ok());
            false
        }
    }
}

/// An answer is taken whole, or as broken.
fn check_answer(body: &[u8], make: Make, asked: &str) -> bool {
    let mut asked = make(asked.as_bytes()).unwrap();
    match asked.answered(body) {
        Ok(Answered::Whole { body, .. }) => {
            let body: Value = serde_json::from_slice(&body).unwrap();
            let list = body.get("data").or_else(|| body.get("results"));
            assert_eq!(
                list.and_then(Value::as_array).map(Vec::len),
                Some(2),
                "{body}"
            );
            true
        }
        Ok(Answered::Part { .. }) => unreachable!("two inputs are one call"),
        Err(failure) => {
            assert!(matches!(failure, OciError::Broken { .. }), "{failure:?}");
            check_told(&error(&failure));
            false
        }
    }
}

fn run(name: &'static str, corpus: &[Vec<u8>], check: impl Fn(&[u8]) -> bool) {
    let target = Target {
        name,
        executions: 1000,
        form: Form::Json,
        corpus,
        words: &WORDS,
    };
    target.run(|body, _| check(body));
}

#[test]
fn embedding_requests() {
    let corpus = golden("embeddings", "request.openai.json");
    run(
        "translate::fuzz::asked::embedding_requests",
        &corpus,
        |body| check_request(body, of_embeddings),
    );
}

#[test]
fn rerank_requests() {
    let corpus = golden("rerank", "request.openai.json");
    run("translate::fuzz::asked::rerank_requests", &corpus, |body| {
        check_request(body, of_rerank)
    });
}

#[test]
fn embedding_answers() {
    let corpus = golden("embeddings", "response.oci.json");
    let asked = r#"{"model":"e","input":["a","b"],"encoding_format":"base64"}"#;
    run(
        "translate::fuzz::asked::embedding_answers",
        &corpus,
        |body| check_answer(body, of_embeddings, asked),
    );
}

#[test]
fn rerank_answers() {
    let mut corpus = golden("rerank", "response.oci.json");
    corpus.push(br#"{"documentRanks":[{"index":1,"relevanceScore":1,"document":"b"},{"index":0,"relevanceScore":0.5}]}"#.to_vec());
    let asked = r#"{"model":"r","query":"q","documents":["a","b"],"return_documents":true}"#;
    run("translate::fuzz::asked::rerank_answers", &corpus, |body| {
        check_answer(body, of_rerank, asked)
    });
}
