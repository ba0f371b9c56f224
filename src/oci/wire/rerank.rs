//! POST /20231130/actions/rerankText. Source: OCI API 20231130, RerankTextDetails and RerankTextResult; reference §9.2.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::TextOr;
use super::lenient;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    /// The question.
    pub(crate) input: String,
    pub(crate) documents: Vec<String>,
    /// Without it all are ranked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_n: Option<i64>,
    /// The documents' texts come back.
    pub(crate) is_echo: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_chunks_per_document: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_tokens_per_document: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) id: Option<String>,
    /// Best first; `None`: it is no list.
    #[serde(default)]
    pub(crate) document_ranks: Option<Vec<Rank>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rank {
    /// Of the document in the request.
    #[serde(default, deserialize_with = "lenient::count")]
    pub(crate) index: Option<u64>,
    /// As OCI has written it.
    #[serde(default)]
    pub(crate) relevance_score: Option<Box<RawValue>>,
    /// Bare or as an object; both were seen.
    #[serde(default, deserialize_with = "lenient::text_or")]
    pub(crate) document: Option<TextOr<Echo>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Echo {
    #[serde(default, deserialize_with = "lenient::text")]
    text: Option<String>,
}

impl Rank {
    /// The document's text, if OCI has repeated it.
    pub(crate) fn text(&mut self) -> Option<String> {
        match self.document.take()? {
            TextOr::Text(text) => Some(text),
            TextOr::Object(echo) => echo.text,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn a_documents_text_comes_bare_or_in_an_object() {
        let json = r#"{"id":"x","documentRanks":[
            {"index":0,"relevanceScore":0.980,"document":"a"},
            {"index":1.0,"relevanceScore":1e-5,"document":{"text":"b"}},
            {"index":2,"relevanceScore":0,"document":null},
            {"index":"3","relevanceScore":null}]}"#;
        let answer: Answer = serde_json::from_str(json).unwrap();
        let ranks = answer.document_ranks.unwrap().into_iter();
        let seen: Vec<_> = ranks
            .map(|mut rank| {
                let score = rank.relevance_score.as_ref();
                let score = score.map(|score| score.get().to_owned());
                (rank.index, score, rank.text())
            })
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            seen,
            [
                (Some(0), text("0.980"), text("a")),
                (Some(1), text("1e-5"), text("b")),
                (Some(2), text("0"), None),
                (Some(3), None, None),
            ]
        );
    }
}
