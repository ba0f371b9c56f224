//! The list of models, and the name that a request has for one. Source: OpenAI API reference, List models and Retrieve model.

use serde::Serialize;

use super::error::ApiError;

/// Longest name of a model, in bytes: errors and log lines quote it, and every chunk of a stream repeats it. An OCID has
/// at most 255.
const MAX_MODEL_BYTES: usize = 512;

/// Whether a request names a model. Errors: 400 about `model`.
pub(crate) fn check_name(model: &str) -> Result<(), ApiError> {
    let wrong = |message: String| Err(ApiError::invalid_request(message, Some("model".to_owned())));
    if model.is_empty() {
        return wrong(
            "`model` is missing: name one of the models that GET /v1/models lists".to_owned(),
        );
    }
    if model.len() > MAX_MODEL_BYTES {
        return wrong(format!(
            "`model` must not be longer than {MAX_MODEL_BYTES} bytes"
        ));
    }
    Ok(())
}

#[derive(Debug, Serialize)]
pub(crate) struct ModelList<'a> {
    /// Always `list`.
    object: &'static str,
    data: Vec<Model<'a>>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Model<'a> {
    /// The name that clients use.
    id: &'a str,
    /// Always `model`.
    object: &'static str,
    /// Unix seconds.
    created: u64,
    owned_by: &'a str,
    /// What it can be asked for: `chat`, `embeddings`, `rerank`. Not OpenAI's; its SDKs ignore it.
    capabilities: Vec<&'static str>,
}

impl<'a> ModelList<'a> {
    pub(crate) fn new(data: Vec<Model<'a>>) -> Self {
        Self {
            object: "list",
            data,
        }
    }
}

impl<'a> Model<'a> {
    /// `created` in Unix seconds.
    pub(crate) fn new(
        id: &'a str,
        created: u64,
        owned_by: &'a str,
        capabilities: Vec<&'static str>,
    ) -> Self {
        Self {
            id,
            object: "model",
            created,
            owned_by,
            capabilities,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use super::*;

    #[test]
    fn a_list_has_the_shape_that_sdks_expect() {
        let list = ModelList::new(vec![Model::new("grok", 7, "xai", vec!["chat"])]);
        assert_eq!(
            serde_json::to_string(&list).unwrap(),
            r#"{"object":"list","data":[{"id":"grok","object":"model","created":7,"owned_by":"xai","capabilities":["chat"]}]}"#
        );
    }
}
