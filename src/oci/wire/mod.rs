//! What goes over the wire to OCI's inference service: types and their JSON, nothing else. Knows nothing of signatures,
//! sockets or OpenAI. Source: OCI API 20231130, ChatDetails and ChatResult; [`Ask`] for what is no chat.

use std::str::FromStr;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

use crate::json;

pub(crate) mod cohere;
pub(crate) mod coherev2;
pub(crate) mod embed;
pub(crate) mod generic;
mod lenient;
pub(crate) mod models;
pub(crate) mod rerank;

pub(crate) use lenient::TextOr;

/// What the identifier of a dedicated endpoint begins with.
const ENDPOINT_PREFIX: &str = "ocid1.generativeaiendpoint";

/// Which of OCI's three schemas a model speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ApiFormat {
    #[default]
    Generic,
    Cohere,
    CohereV2,
}

/// What a model's id begins with, and what the model speaks: the first row that fits. All others speak GENERIC.
/// Source: reference §4.
const FORMATS: [(&str, ApiFormat); 3] = [
    ("cohere.command-a-vision", ApiFormat::CohereV2),
    ("cohere.command-a-reasoning", ApiFormat::CohereV2),
    ("cohere.", ApiFormat::Cohere),
];

impl ApiFormat {
    /// The format of a model by its id; unknown vendors speak GENERIC. Of a dedicated endpoint the id says nothing, so
    /// it counts as GENERIC unless the configuration names another.
    pub(crate) fn of_model_id(id: &str) -> Self {
        let id = id.to_ascii_lowercase();
        let row = FORMATS.iter().find(|(prefix, _)| id.starts_with(prefix));
        row.map_or(Self::Generic, |(_, format)| *format)
    }

    /// As in a configuration and in `apiFormat`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Generic => "GENERIC",
            Self::Cohere => "COHERE",
            Self::CohereV2 => "COHEREV2",
        }
    }
}

/// The word is none of `GENERIC`, `COHERE`, `COHEREV2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnknownApiFormat;

impl FromStr for ApiFormat {
    type Err = UnknownApiFormat;

    /// In any case.
    fn from_str(word: &str) -> Result<Self, UnknownApiFormat> {
        [Self::Generic, Self::Cohere, Self::CohereV2]
            .into_iter()
            .find(|format| format.as_str().eq_ignore_ascii_case(word))
            .ok_or(UnknownApiFormat)
    }
}

/// Where a model runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "servingType", rename_all_fields = "camelCase")]
pub(crate) enum ServingMode {
    #[serde(rename = "ON_DEMAND")]
    OnDemand { model_id: String },
    #[serde(rename = "DEDICATED")]
    Dedicated { endpoint_id: String },
}

impl ServingMode {
    /// Dedicated for the OCID of an endpoint, else on demand.
    pub(crate) fn of_id(id: &str) -> Self {
        let id = id.to_owned();
        if id.starts_with(ENDPOINT_PREFIX) {
            Self::Dedicated { endpoint_id: id }
        } else {
            Self::OnDemand { model_id: id }
        }
    }

    /// The model's id or the endpoint's OCID.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::OnDemand { model_id: id } | Self::Dedicated { endpoint_id: id } => id,
        }
    }
}

/// The body of POST /20231130/actions/chat.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChatDetails<'a> {
    pub(crate) compartment_id: &'a str,
    pub(crate) serving_mode: &'a ServingMode,
    pub(crate) chat_request: &'a ChatRequest,
}

/// What is asked that is no chat: one call, one whole answer.
#[derive(Debug)]
pub(crate) enum Ask<'a> {
    Embed(embed::Request<'a>),
    Rerank(&'a rerank::Request),
}

/// The body of a call that is no chat.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AskDetails<'a, T> {
    compartment_id: &'a str,
    serving_mode: &'a ServingMode,
    #[serde(flatten)]
    request: &'a T,
}

impl Ask<'_> {
    /// Where it is asked, below the service. Source: reference §1.2.
    pub(crate) fn path(&self) -> &'static str {
        match self {
            Self::Embed(_) => "/20231130/actions/embedText",
            Self::Rerank(_) => "/20231130/actions/rerankText",
        }
    }

    /// The call's body. Errors: none is expected.
    pub(crate) fn to_json(
        &self,
        compartment_id: &str,
        serving_mode: &ServingMode,
    ) -> serde_json::Result<Vec<u8>> {
        match self {
            Self::Embed(request) => serde_json::to_vec(&AskDetails {
                compartment_id,
                serving_mode,
                request,
            }),
            Self::Rerank(request) => serde_json::to_vec(&AskDetails {
                compartment_id,
                serving_mode,
                request: *request,
            }),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(tag = "apiFormat")]
pub(crate) enum ChatRequest {
    #[serde(rename = "GENERIC")]
    Generic(Box<generic::Request>),
    #[serde(rename = "COHERE")]
    Cohere(Box<cohere::Request>),
    #[serde(rename = "COHEREV2")]
    CohereV2(Box<coherev2::Request>),
}

impl ChatDetails<'_> {
    /// Its JSON. Errors: none that these types can have.
    pub(crate) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        /// What a short request takes.
        const USUAL_BYTES: usize = 1024;
        let long = match self.chat_request {
            ChatRequest::Generic(request) => request.long_bytes(),
            ChatRequest::Cohere(_) | ChatRequest::CohereV2(_) => 0,
        };
        // Line feeds and quotation marks take two bytes: one in sixteen is a text with many of them.
        let mut json = Vec::with_capacity(long + long / 16 + USUAL_BYTES);
        serde_json::to_writer(&mut json, self)?;
        Ok(json)
    }
}

/// A whole answer. The envelope's `modelId` and `modelVersion` are left out: the client is told the name that it used.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChatResult {
    #[serde(default, deserialize_with = "chat_response")]
    pub(crate) chat_response: ChatResponse,
}

#[derive(Debug)]
pub(crate) enum ChatResponse {
    Generic(generic::Response),
    Cohere(cohere::Answer),
    CohereV2(coherev2::Answer),
}

impl Default for ChatResponse {
    fn default() -> Self {
        Self::Generic(generic::Response::default())
    }
}

/// In the format that it says it has; without a word, or with an unknown one, the one whose fields it has, else GENERIC.
/// Read twice rather than into a tree: an answer may be megabytes, and the first reading keeps nothing.
fn chat_response<'de, D: Deserializer<'de>>(from: D) -> Result<ChatResponse, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Tag {
        #[serde(default, deserialize_with = "lenient::text")]
        api_format: Option<String>,
        #[serde(default)]
        choices: Option<IgnoredAny>,
        #[serde(default)]
        text: Option<IgnoredAny>,
        #[serde(default)]
        message: Option<IgnoredAny>,
    }

    let raw = Box::<RawValue>::deserialize(from)?;
    if !raw.get().starts_with('{') {
        return Ok(ChatResponse::default());
    }
    let tag: Tag = json::from_text(raw.get()).map_err(de::Error::custom)?;
    let named = tag.api_format.and_then(|word| word.parse().ok());
    let format = named.unwrap_or(match (tag.choices, tag.text, tag.message) {
        (None, Some(_), _) => ApiFormat::Cohere,
        (None, None, Some(_)) => ApiFormat::CohereV2,
        (Some(_), _, _) | (None, None, None) => ApiFormat::Generic,
    });
    let response = match format {
        ApiFormat::Generic => json::from_text(raw.get()).map(ChatResponse::Generic),
        ApiFormat::Cohere => json::from_text(raw.get()).map(ChatResponse::Cohere),
        ApiFormat::CohereV2 => json::from_text(raw.get()).map(ChatResponse::CohereV2),
    };
    response.map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_id_tells_the_format() {
        for (id, format) in [
            ("cohere.command-a-03-2025", ApiFormat::Cohere),
            ("cohere.command-r-plus-08-2024", ApiFormat::Cohere),
            ("cohere.command-a-vision-07-2025", ApiFormat::CohereV2),
            ("cohere.command-a-reasoning-08-2025", ApiFormat::CohereV2),
            ("meta.llama-3.3-70b-instruct", ApiFormat::Generic),
            (
                "ocid1.generativeaiendpoint.oc1.us-chicago-1.x",
                ApiFormat::Generic,
            ),
            ("", ApiFormat::Generic),
        ] {
            assert_eq!(ApiFormat::of_model_id(id), format, "{id}");
        }
    }

    #[test]
    fn an_answer_is_read_in_the_format_that_it_names() {
        let read = |json: &str| {
            let result: ChatResult = serde_json::from_str(json).unwrap_or_default();
            match result.chat_response {
                ChatResponse::Generic(_) => ApiFormat::Generic,
                ChatResponse::Cohere(_) => ApiFormat::Cohere,
                ChatResponse::CohereV2(_) => ApiFormat::CohereV2,
            }
        };
        for (json, format) in [
            (
                r#"{"chatResponse":{"text":"x","apiFormat":"COHERE"}}"#,
                ApiFormat::Cohere,
            ),
            (
                r#"{"chatResponse":{"apiFormat":"COHEREV2"}}"#,
                ApiFormat::CohereV2,
            ),
            (
                r#"{"chatResponse": {"apiFormat":"GENERIC"}}"#,
                ApiFormat::Generic,
            ),
            (
                r#"{"chatResponse":{"apiFormat":"HOLOGRAM"}}"#,
                ApiFormat::Generic,
            ),
            (r#"{"chatResponse":{"apiFormat":7}}"#, ApiFormat::Generic),
            (
                r#"{"chatResponse":{"text":"x","finishReason":"COMPLETE"}}"#,
                ApiFormat::Cohere,
            ),
            (
                r#"{"chatResponse":{"message":{"content":[]}}}"#,
                ApiFormat::CohereV2,
            ),
            (
                r#"{"chatResponse":{"choices":[],"text":"x"}}"#,
                ApiFormat::Generic,
            ),
            (r#"{"chatResponse":null}"#, ApiFormat::Generic),
            (r#"{"chatResponse":["COHERE"]}"#, ApiFormat::Generic),
            ("{}", ApiFormat::Generic),
        ] {
            assert_eq!(read(json), format, "{json}");
        }
    }

    #[test]
    fn a_format_is_read_in_any_case() {
        assert_eq!("CohereV2".parse(), Ok(ApiFormat::CohereV2));
        assert_eq!("generic".parse(), Ok(ApiFormat::Generic));
        assert_eq!("COHERE ".parse::<ApiFormat>(), Err(UnknownApiFormat));
    }
}
