//! The list of models. Source: Anthropic's API reference, List models and Get a model.

use serde::Serialize;
use time::OffsetDateTime;

use crate::dates::Rfc3339;

/// All models on one page.
#[derive(Debug, Serialize)]
pub(crate) struct ModelPage<'a> {
    data: Vec<ModelInfo<'a>>,
    /// Always false.
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ModelInfo<'a> {
    /// Always `model`.
    r#type: &'static str,
    /// The name that clients use.
    id: &'a str,
    display_name: &'a str,
    /// RFC 3339, UTC.
    created_at: String,
    /// Always `active`.
    lifecycle: &'static str,
}

impl<'a> ModelPage<'a> {
    pub(crate) fn new(data: Vec<ModelInfo<'a>>) -> Self {
        Self {
            has_more: false,
            first_id: data.first().map(|model| model.id),
            last_id: data.last().map(|model| model.id),
            data,
        }
    }
}

impl<'a> ModelInfo<'a> {
    /// `created` in Unix seconds.
    pub(crate) fn new(id: &'a str, created: u64) -> Self {
        let created = i64::try_from(created)
            .ok()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Self {
            r#type: "model",
            id,
            display_name: id,
            created_at: Rfc3339(created).text(),
            lifecycle: "active",
        }
    }
}
