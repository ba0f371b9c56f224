//! The cases of what is no chat.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{CHAT, pretty, refusal, settle};
use crate::openai::embeddings::EmbeddingsRequest;
use crate::openai::error::ApiError;
use crate::openai::rerank::RerankRequest;
use crate::translate::asked::{Answered, Asked};
use crate::translate::models::ModelTarget;
use crate::translate::{embeddings, error, rerank};

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Embeddings,
    Rerank,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    model_id: String,
}

impl Kind {
    pub(super) fn of(directory: &str) -> Option<Self> {
        match directory {
            "embeddings" => Some(Self::Embeddings),
            "rerank" => Some(Self::Rerank),
            _ => None,
        }
    }

    fn usual(self) -> &'static str {
        match self {
            Self::Embeddings => "cohere.embed-v4.0",
            Self::Rerank => "cohere.rerank-v3.5",
        }
    }

    fn translate(self, body: &[u8]) -> Result<Box<dyn Asked>, ApiError> {
        Ok(match self {
            Self::Embeddings => Box::new(embeddings(EmbeddingsRequest::parse(body)?)?),
            Self::Rerank => Box::new(rerank(RerankRequest::parse(body)?, "golden".to_owned())?),
        })
    }
}

pub(super) fn run(dir: &Path, kind: Kind, differences: &mut Vec<String>) -> usize {
    let read = |name: &str| fs::read(dir.join(name)).ok();
    let case: Case =
        read("case.json").map_or_else(Case::default, |text| serde_json::from_slice(&text).unwrap());
    let id = Some(case.model_id).filter(|id| !id.is_empty());
    let target = ModelTarget::new(id.as_deref().unwrap_or(kind.usual()), None);
    let body = read("request.openai.json").unwrap();
    let mut asked = match kind.translate(&body) {
        Ok(asked) => asked,
        Err(refused) => {
            settle(
                &dir.join("request.error.json"),
                &refusal(&refused, &CHAT),
                differences,
            );
            return 1;
        }
    };
    let sent = asked.ask().to_json("", &target.serving_mode()).unwrap();
    let mut sent: Value = serde_json::from_slice(&sent).unwrap();
    sent.as_object_mut().unwrap().remove("compartmentId");
    settle(&dir.join("request.oci.json"), &pretty(&sent), differences);
    let Some(answer) = read("response.oci.json") else {
        return 1;
    };
    match asked.answered(&answer) {
        // Not made pretty: what counts is the text of the numbers.
        Ok(Answered::Whole { body, .. }) => {
            let body = String::from_utf8(body).unwrap() + "\n";
            settle(&dir.join("response.openai.json"), &body, differences);
        }
        Ok(Answered::Part { .. }) => panic!("{}: another call is wanted", dir.display()),
        Err(failure) => settle(
            &dir.join("response.error.json"),
            &refusal(&error(&failure), &CHAT),
            differences,
        ),
    }
    2
}
