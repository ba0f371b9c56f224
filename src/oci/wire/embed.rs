//! POST /20231130/actions/embedText. Numbers stay the text that OCI has written: what passes through is not rounded. Source:
//! OCI API 20231130, EmbedTextDetails and EmbedTextResult; reference §9.1.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json;

use super::lenient;

/// Most inputs of one call.
pub(crate) const MAX_INPUTS: usize = 96;

/// What the embeddings are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum InputType {
    SearchDocument,
    SearchQuery,
    Classification,
    Clustering,
    /// The one input is an image as a data URI.
    Image,
}

/// Where an input that is too long is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Truncate {
    /// Nowhere: OCI refuses it.
    None,
    Start,
    End,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request<'a> {
    /// 1 to [`MAX_INPUTS`]; a single image.
    pub(crate) inputs: &'a [String],
    pub(crate) input_type: InputType,
    pub(crate) truncate: Truncate,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output_dimensions: Option<i64>,
}

/// Borrows from the text that it is read from.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer<'a> {
    #[serde(borrow, default)]
    embeddings: Option<&'a RawValue>,
    #[serde(borrow, default)]
    embeddings_by_type: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient::object")]
    pub(crate) usage: Usage,
}

#[derive(Debug, Default, Deserialize)]
struct ByType<'a> {
    #[serde(borrow, default, alias = "FLOAT")]
    float: Option<&'a RawValue>,
}

/// Tokens.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Usage {
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) prompt_tokens: Option<u64>,
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) total_tokens: Option<u64>,
}

impl<'a> Answer<'a> {
    /// The embeddings in the order of the inputs, from whichever of the two fields has them; none of what is no list.
    pub(crate) fn floats(&self) -> Vec<&'a RawValue> {
        let plain = self.embeddings.map(items).unwrap_or_default();
        if !plain.is_empty() {
            return plain;
        }
        let by_type = self.embeddings_by_type.map(RawValue::get);
        let by_type: ByType<'a> = by_type
            .and_then(|json| json::from_text(json).ok())
            .unwrap_or_default();
        by_type.float.map(items).unwrap_or_default()
    }
}

fn items(list: &RawValue) -> Vec<&RawValue> {
    json::from_text(list.get()).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn floats(json: &str) -> Vec<String> {
        let answer: Answer<'_> = json::from_text(json).unwrap();
        let floats = answer.floats();
        floats.iter().map(|list| list.get().to_owned()).collect()
    }

    #[test]
    fn embeddings_stand_in_either_field() {
        for (json, expected) in [
            (
                r#"{"embeddings":[[0.10,-2e-3],[3]]}"#,
                vec!["[0.10,-2e-3]", "[3]"],
            ),
            (
                r#"{"embeddings":[],"embeddingsByType":{"int8":[[1]],"float":[[0.5]]}}"#,
                vec!["[0.5]"],
            ),
            (
                r#"{"embeddings":null,"embeddingsByType":{"FLOAT":[[0.5]]}}"#,
                vec!["[0.5]"],
            ),
            (r#"{"embeddings":7,"embeddingsByType":[]}"#, vec![]),
            (r#"{"embeddingsByType":{"int8":[[1]]}}"#, vec![]),
            ("{}", vec![]),
        ] {
            assert_eq!(floats(json), expected, "{json}");
        }
    }

    #[test]
    fn a_request_has_ocis_words() {
        let inputs = ["a".to_owned()];
        let request = Request {
            inputs: &inputs,
            input_type: InputType::SearchDocument,
            truncate: Truncate::None,
            output_dimensions: Some(256),
        };
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            r#"{"inputs":["a"],"inputType":"SEARCH_DOCUMENT","truncate":"NONE","outputDimensions":256}"#
        );
    }
}
