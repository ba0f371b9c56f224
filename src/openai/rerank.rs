//! A request for reranking: documents in the order of how much they say about a question. OpenAI has none; Cohere's is what
//! LiteLLM, Open WebUI, Jina and vLLM speak too. Source: Cohere API reference, Rerank v1 and v2.

use std::fmt;

use serde::Deserialize;
use serde::de::Error;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::fields::{self, StringOrObject};
use super::{body, models};

/// Most documents of a request. Source: Cohere API reference, Rerank v1: 10 000 pieces of documents.
pub(crate) const MAX_DOCUMENTS: usize = 10_000;

/// What is not here is ignored.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct RerankRequest {
    /// Never empty after [`RerankRequest::parse`].
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(crate) model: String,
    /// Never empty after [`RerankRequest::parse`].
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(crate) query: String,
    /// 1 to [`MAX_DOCUMENTS`] after [`RerankRequest::parse`].
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(crate) documents: Vec<Document>,
    /// At least 1 after [`RerankRequest::parse`].
    #[serde(default, deserialize_with = "fields::integer")]
    pub(crate) top_n: Option<i64>,
    #[serde(default)]
    pub(crate) return_documents: Option<bool>,
    /// Which fields of documents that are objects count, in this order.
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(crate) rank_fields: Vec<String>,
    /// At least 1 after [`RerankRequest::parse`].
    #[serde(default, deserialize_with = "fields::integer")]
    pub(crate) max_chunks_per_doc: Option<i64>,
    /// At least 1 after [`RerankRequest::parse`].
    #[serde(default, deserialize_with = "fields::integer")]
    pub(crate) max_tokens_per_doc: Option<i64>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Document {
    Text(String),
    Fields(Map<String, Value>),
}

impl<'de> StringOrObject<'de> for Document {
    type Object = Map<String, Value>;
    const EXPECTED: &'static str = "a string or an object with `text`";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        Ok(Self::Text(text))
    }

    fn from_object<E: Error>(object: Self::Object) -> Result<Self, E> {
        Ok(Self::Fields(object))
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        fields::string_or_object(from)
    }
}

impl RerankRequest {
    /// Reads a request's body. Errors: 400 with the path of the field at fault in `param`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let request: Self = body::read(body, "rerank")?;
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), ApiError> {
        models::check_name(&self.model)?;
        if self.query.is_empty() {
            return Err(wrong("query", "is missing or empty"));
        }
        match self.documents.len() {
            0 => {
                return Err(wrong(
                    "documents",
                    "is missing or empty: at least one document is needed",
                ));
            }
            1..=MAX_DOCUMENTS => {}
            more => {
                let why = format!("has {more} documents, and {MAX_DOCUMENTS} are the most");
                return Err(wrong("documents", why));
            }
        }
        for (param, number) in [
            ("top_n", self.top_n),
            ("max_chunks_per_doc", self.max_chunks_per_doc),
            ("max_tokens_per_doc", self.max_tokens_per_doc),
        ] {
            if number.is_some_and(|number| number < 1) {
                return Err(wrong(param, "must be at least 1"));
            }
        }
        Ok(())
    }
}

fn wrong(param: &str, why: impl fmt::Display) -> ApiError {
    ApiError::invalid_request(format!("`{param}`: {why}"), Some(param.to_owned()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn documents_are_texts_or_objects() {
        let body = r#"{"model":"r","query":"q","documents":["a",{"text":"b","n":1}],"top_n":1.0,"return_documents":null}"#;
        let request = RerankRequest::parse(body.as_bytes()).unwrap();
        assert_eq!(request.documents[0], Document::Text("a".to_owned()));
        assert!(matches!(&request.documents[1], Document::Fields(fields) if fields.len() == 2));
        assert_eq!((request.top_n, request.return_documents), (Some(1), None));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, param) in [
            (r#"{"query":"q","documents":["a"]}"#, "model"),
            (r#"{"model":"r","documents":["a"]}"#, "query"),
            (r#"{"model":"r","query":"","documents":["a"]}"#, "query"),
            (r#"{"model":"r","query":["q"],"documents":["a"]}"#, "query"),
            (r#"{"model":"r","query":"q"}"#, "documents"),
            (r#"{"model":"r","query":"q","documents":[]}"#, "documents"),
            (r#"{"model":"r","query":"q","documents":"a"}"#, "documents"),
            (
                r#"{"model":"r","query":"q","documents":["a",7]}"#,
                "documents[1]",
            ),
            (
                r#"{"model":"r","query":"q","documents":["a"],"top_n":0}"#,
                "top_n",
            ),
            (
                r#"{"model":"r","query":"q","documents":["a"],"max_chunks_per_doc":0}"#,
                "max_chunks_per_doc",
            ),
            (
                r#"{"model":"r","query":"q","documents":["a"],"max_tokens_per_doc":-1}"#,
                "max_tokens_per_doc",
            ),
            (
                r#"{"model":"r","query":"q","documents":["a"],"rank_fields":"text"}"#,
                "rank_fields",
            ),
        ] {
            let error = RerankRequest::parse(body.as_bytes()).unwrap_err();
            assert_eq!(
                (error.status, error.param.as_deref()),
                (400, Some(param)),
                "{body}"
            );
        }
        let many = vec!["a"; MAX_DOCUMENTS + 1];
        let body = serde_json::json!({"model": "r", "query": "q", "documents": many});
        let error = RerankRequest::parse(body.to_string().as_bytes()).unwrap_err();
        assert!(error.message.contains("10001"), "{}", error.message);
    }
}
