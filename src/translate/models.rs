//! Which OCI model stands behind which of the clients' names.

use crate::names::ModelName;
use crate::oci::wire::{ApiFormat, ServingMode};

/// The lines of `[MODELS]`, in the file's order.
#[derive(Debug, Clone)]
pub(crate) struct ModelMap {
    entries: Vec<(ModelName, ModelTarget)>,
    /// Serves requests whose model is unknown.
    default_model: Option<ModelName>,
}

/// A model or a dedicated endpoint at OCI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelTarget {
    id: String,
    format: ApiFormat,
}

impl ModelMap {
    pub(crate) fn new(
        entries: Vec<(ModelName, ModelTarget)>,
        default_model: Option<ModelName>,
    ) -> Self {
        Self {
            entries,
            default_model,
        }
    }

    /// The model of that name, else the default one. `None` if there is no default, or the default is no model.
    pub(crate) fn resolve(&self, name: &str) -> Option<(&ModelName, &ModelTarget)> {
        // Tens of entries: a search is as fast as a hash.
        let find = |name: &str| {
            self.entries
                .iter()
                .find(|(known, _)| known.as_str() == name)
        };
        let found = find(name).or_else(|| find(self.default_model.as_ref()?.as_str()));
        found.map(|(name, target)| (name, target))
    }

    /// In the file's order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &ModelName> {
        self.entries.iter().map(|(name, _)| name)
    }

    /// In the file's order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ModelName, &ModelTarget)> {
        self.entries.iter().map(|(name, target)| (name, target))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl ModelTarget {
    /// `format` overrides what the id says; a dedicated endpoint's id says nothing and counts as GENERIC.
    pub(crate) fn new(id: impl Into<String>, format: Option<ApiFormat>) -> Self {
        let id = id.into();
        Self {
            format: format.unwrap_or_else(|| ApiFormat::of_model_id(&id)),
            id,
        }
    }

    /// A model's name or OCID, or an endpoint's OCID.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Who made it: what stands before the first dot of its name. An OCID does not say.
    pub(crate) fn vendor(&self) -> &str {
        match self.id.split_once('.') {
            Some((vendor, _)) if !vendor.starts_with("ocid") => vendor,
            Some(_) | None => "oci",
        }
    }

    pub(crate) fn format(&self) -> ApiFormat {
        self.format
    }

    pub(crate) fn serving_mode(&self) -> ServingMode {
        ServingMode::of_id(&self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(default_model: Option<&str>) -> ModelMap {
        let entry = |name: &str, id: &str| (ModelName::new(name), ModelTarget::new(id, None));
        let entries = vec![
            entry("grok", "xai.grok-4.3"),
            entry("a", "cohere.command-a-03-2025"),
        ];
        ModelMap::new(entries, default_model.map(ModelName::new))
    }

    fn resolved(map: &ModelMap, name: &str) -> Option<String> {
        map.resolve(name)
            .map(|(name, target)| format!("{name}={}", target.id()))
    }

    #[test]
    fn a_name_resolves_to_its_model_else_to_the_default() {
        assert_eq!(
            resolved(&map(None), "grok").as_deref(),
            Some("grok=xai.grok-4.3")
        );
        assert_eq!(resolved(&map(None), "nope"), None);
        assert_eq!(
            resolved(&map(Some("grok")), "nope").as_deref(),
            Some("grok=xai.grok-4.3")
        );
        assert_eq!(resolved(&map(Some("gone")), "nope"), None);
    }

    #[test]
    fn names_keep_the_order_of_the_file() {
        let map = map(None);
        assert_eq!(
            map.names().map(ModelName::as_str).collect::<Vec<_>>(),
            ["grok", "a"]
        );
        assert_eq!(map.len(), map.iter().count());
    }

    #[test]
    fn an_endpoint_is_dedicated_and_an_override_wins() {
        let endpoint = ModelTarget::new(
            "ocid1.generativeaiendpoint.oc1.us-chicago-1.x",
            Some(ApiFormat::CohereV2),
        );
        assert_eq!(endpoint.format(), ApiFormat::CohereV2);
        assert!(matches!(
            endpoint.serving_mode(),
            ServingMode::Dedicated { .. }
        ));
        let model = ModelTarget::new("ocid1.generativeaimodel.oc1.x", None);
        assert!(matches!(model.serving_mode(), ServingMode::OnDemand { .. }));
        assert_eq!(model.format(), ApiFormat::Generic);
    }
}
