//! A request for embeddings, and the answer to it. What a field means to OCI is the translator's business. Source: OpenAI API
//! reference, Create embeddings; `input_type` and `truncate` are Cohere's, under Cohere's names.

use std::fmt;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::error::ApiError;
use super::{body, fields, models};

/// Most inputs of a request. Source: OpenAI API reference.
pub(crate) const MAX_INPUTS: usize = 2048;

/// What a client is told that sends tokens in the place of text.
const TOKENS: &str = "tokens are not understood, only text is: OCI counts them in its own way. LangChain sends text with \
                      check_embedding_ctx_length=False";

/// `user` and all that is not here is ignored: the answer means the same without.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct EmbeddingsRequest {
    /// Never empty after [`EmbeddingsRequest::parse`].
    #[serde(default, deserialize_with = "fields::or_default")]
    pub(crate) model: String,
    /// 1 to [`MAX_INPUTS`] texts, none of them empty, after [`EmbeddingsRequest::parse`].
    #[serde(default, deserialize_with = "inputs")]
    pub(crate) input: Vec<String>,
    /// At least 1 after [`EmbeddingsRequest::parse`].
    #[serde(default, deserialize_with = "fields::integer")]
    pub(crate) dimensions: Option<i64>,
    #[serde(default)]
    pub(crate) encoding_format: Option<EncodingFormat>,
    #[serde(default)]
    pub(crate) input_type: Option<String>,
    #[serde(default)]
    pub(crate) truncate: Option<String>,
}

/// How an embedding is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncodingFormat {
    /// A list of numbers.
    #[default]
    Float,
    /// The numbers as little-endian single-precision floats, in base64.
    Base64,
}

/// Tokens of all inputs together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct EmbeddingsUsage {
    pub(crate) prompt_tokens: u64,
    pub(crate) total_tokens: u64,
}

impl EmbeddingsRequest {
    /// Reads a request's body. Errors: 400 with the path of the field at fault in `param`.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let request: Self = body::read(body, "embeddings").map_err(|error| {
            if error.message.contains(TOKENS) {
                return wrong("input", TOKENS);
            }
            error
        })?;
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), ApiError> {
        models::check_name(&self.model)?;
        match self.input.len() {
            0 => {
                return Err(wrong(
                    "input",
                    "is missing or empty: at least one text is needed",
                ));
            }
            1..=MAX_INPUTS => {}
            more => {
                let why = format!(
                    "has {more} texts, and {MAX_INPUTS} are the most: send several requests"
                );
                return Err(wrong("input", why));
            }
        }
        if let Some(at) = self.input.iter().position(String::is_empty) {
            let param = if self.input.len() == 1 {
                "input".to_owned()
            } else {
                format!("input[{at}]")
            };
            return Err(wrong(&param, "must not be an empty string"));
        }
        if self.dimensions.is_some_and(|dimensions| dimensions < 1) {
            return Err(wrong("dimensions", "must be at least 1"));
        }
        Ok(())
    }
}

fn wrong(param: &str, why: impl fmt::Display) -> ApiError {
    ApiError::invalid_request(format!("`{param}`: {why}"), Some(param.to_owned()))
}

/// A string or a list of strings; `null` is the empty list.
fn inputs<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    from.deserialize_any(InputsVisitor)
}

struct InputsVisitor;

impl<'de> Visitor<'de> for InputsVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(vec![text.to_owned()])
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(vec![text])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        let texts = Vec::<Text>::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(texts.into_iter().map(|text| text.0).collect())
    }
}

/// One of several inputs.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Text, E> {
        Ok(Text(text))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Text, E> {
        Err(E::custom(TOKENS))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Text, A::Error> {
        Err(A::Error::custom(TOKENS))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Err(A::Error::custom(
            "expected a string; an image is a data URI as a string, with \"input_type\": \"image\"",
        ))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn refused(body: &str) -> (String, String) {
        let error = EmbeddingsRequest::parse(body.as_bytes()).unwrap_err();
        assert_eq!(error.status, 400, "{body}");
        (error.param.unwrap_or_default(), error.message)
    }

    #[test]
    fn inputs_are_a_text_or_several() {
        for (body, texts) in [
            (r#"{"model":"e","input":"a","user":"u"}"#, vec!["a"]),
            (r#"{"model":"e","input":["a","b"]}"#, vec!["a", "b"]),
            (r#"{"model":"e","input":" "}"#, vec![" "]),
            (
                r#"{"model":"e","input":"cut \ud83d"}"#,
                vec!["cut \u{fffd}"],
            ),
        ] {
            let request = EmbeddingsRequest::parse(body.as_bytes()).unwrap();
            assert_eq!(request.input, texts, "{body}");
        }
        let body = r#"{"model":"e","input":"a","dimensions":256.0,"encoding_format":"base64"}"#;
        let request = EmbeddingsRequest::parse(body.as_bytes()).unwrap();
        assert_eq!(request.dimensions, Some(256));
        assert_eq!(request.encoding_format, Some(EncodingFormat::Base64));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, param, why) in [
            (r#"{"input":"a"}"#, "model", "missing"),
            (r#"{"model":"e"}"#, "input", "missing"),
            (r#"{"model":"e","input":null}"#, "input", "missing"),
            (r#"{"model":"e","input":[]}"#, "input", "empty"),
            (r#"{"model":"e","input":""}"#, "input", "empty"),
            (r#"{"model":"e","input":["a",""]}"#, "input[1]", "empty"),
            (r#"{"model":"e","input":[1,2]}"#, "input", "tokens"),
            (r#"{"model":"e","input":["a",2]}"#, "input", "tokens"),
            (r#"{"model":"e","input":[[1],[2]]}"#, "input", "tokens"),
            (r#"{"model":"e","input":7}"#, "input", "expected a string"),
            (r#"{"model":"e","input":{}}"#, "input", "expected a string"),
            (
                r#"{"model":"e","input":["a",{"type":"text"}]}"#,
                "input[1]",
                "data URI",
            ),
            (
                r#"{"model":"e","input":["a",true]}"#,
                "input[1]",
                "expected a string",
            ),
            (
                r#"{"model":"e","input":"a","dimensions":0}"#,
                "dimensions",
                "at least 1",
            ),
            (
                r#"{"model":"e","input":"a","dimensions":1.5}"#,
                "dimensions",
                "not an integer",
            ),
            (
                r#"{"model":"e","input":"a","encoding_format":"int8"}"#,
                "encoding_format",
                "base64",
            ),
            (
                r#"{"model":"e","input":"a","truncate":true}"#,
                "truncate",
                "expected a string",
            ),
            ("[]", "", "expected an object"),
            ("{", "", "not valid JSON"),
        ] {
            let (named, message) = refused(body);
            assert_eq!(named, param, "{body}");
            assert!(message.contains(why), "{body}: {message}");
        }
    }

    #[test]
    fn there_is_a_largest_number_of_inputs() {
        let body = |count: usize| {
            let input = vec!["a"; count];
            serde_json::json!({"model": "e", "input": input}).to_string()
        };
        assert!(EmbeddingsRequest::parse(body(MAX_INPUTS).as_bytes()).is_ok());
        let (param, message) = refused(&body(MAX_INPUTS + 1));
        assert_eq!(param, "input");
        assert!(
            message.contains("2049") && message.contains("2048"),
            "{message}"
        );
    }
}
