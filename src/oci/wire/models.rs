//! The control plane's list of models. Source: OCI API 20231130, ListModels and ModelSummary; reference §1.3. A detail of an
//! unexpected type counts as absent; a list without items is none.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::lenient;

/// One page.
#[derive(Debug, Deserialize)]
pub(crate) struct ModelCollection {
    #[serde(deserialize_with = "lenient::objects")]
    pub(crate) items: Vec<ModelSummary>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ModelSummary {
    /// What a request names, such as `xai.grok-4.3`.
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) display_name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) vendor: Option<String>,
    /// `CHAT`, `TEXT_EMBEDDINGS`, `TEXT_RERANK`, `FINE_TUNE` and others.
    #[serde(deserialize_with = "lenient::strings")]
    pub(crate) capabilities: Vec<String>,
    /// `ACTIVE` or another state.
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) lifecycle_state: Option<String>,
    /// `BASE` or `CUSTOM`.
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    pub(crate) kind: Option<String>,
    /// Of a custom model, what it was made from.
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) base_model_id: Option<String>,
    /// RFC 3339.
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) time_created: Option<String>,
    /// RFC 3339: from then on only dedicated clusters serve it.
    #[serde(deserialize_with = "lenient::text")]
    pub(crate) time_on_demand_retired: Option<String>,
}

/// Seconds since 1970; `None` of what is no time.
pub(crate) fn unix_seconds(rfc_3339: &str) -> Option<i64> {
    let time = OffsetDateTime::parse(rfc_3339, &Rfc3339).ok()?;
    Some(time.unix_timestamp())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use super::*;

    #[test]
    fn an_odd_detail_is_absent_and_a_list_without_items_is_none() {
        let page = r#"{"items":[{"displayName":"a","capabilities":["CHAT",7,null],"type":{"x":1},"timeCreated":null},"junk",7]}"#;
        let page: ModelCollection = serde_json::from_str(page).unwrap();
        let [model] = page.items.as_slice() else {
            unreachable!("{page:?}")
        };
        assert_eq!(model.display_name.as_deref(), Some("a"));
        assert_eq!(model.capabilities.first().unwrap(), "CHAT");
        assert_eq!((&model.kind, &model.time_created), (&None, &None));
        for none in ["{}", "[]", r#"{"item":[]}"#, "7"] {
            assert!(serde_json::from_str::<ModelCollection>(none).is_err());
        }
    }

    #[test]
    fn times() {
        assert_eq!(unix_seconds("1970-01-01T00:01:00Z"), Some(60));
        assert_eq!(unix_seconds("1970-01-01T02:00:00.250+02:00"), Some(0));
        assert_eq!(unix_seconds("soon"), None);
    }
}
