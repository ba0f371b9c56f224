//! Which OCI model stands behind which of the clients' names.

use std::sync::Arc;

use super::listed::{Capabilities, Listed};
use crate::names::ModelName;
use crate::oci::wire::{ApiFormat, ServingMode};
use crate::openai::error::ApiError;

/// The vendor of a model whose id does not say.
pub(crate) const UNKNOWN_VENDOR: &str = "oci";

/// The lines of `[MODELS]`, in the file's order, and what OCI lists.
#[derive(Debug, Clone)]
pub(crate) struct ModelMap {
    entries: Vec<(ModelName, ModelTarget)>,
    /// Serves requests whose model is unknown.
    default_model: Option<ModelName>,
    /// Models that OCI lists are served too, under their own names.
    is_auto: bool,
    listed: Arc<Vec<Listed>>,
}

/// A model or a dedicated endpoint at OCI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelTarget {
    id: String,
    format: ApiFormat,
}

/// What can be asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Chat,
    Embeddings,
    Rerank,
}

/// What a model's id begins with where that tells what it is for. An OCID does not, and neither does a vendor that has more than
/// one kind.
const PURPOSES: [(&str, Purpose); 6] = [
    ("cohere.embed", Purpose::Embeddings),
    ("cohere.rerank", Purpose::Rerank),
    ("cohere.command", Purpose::Chat),
    ("meta.llama", Purpose::Chat),
    ("openai.gpt", Purpose::Chat),
    ("xai.grok", Purpose::Chat),
];

impl Purpose {
    /// What the model does, and where that is asked for.
    fn told(self) -> &'static str {
        match self {
            Self::Chat => "chats: ask it at /v1/chat/completions",
            Self::Embeddings => "makes embeddings: ask it at /v1/embeddings",
            Self::Rerank => "ranks documents: ask it at /v1/rerank",
        }
    }
}

impl ModelMap {
    pub(crate) fn new(
        entries: Vec<(ModelName, ModelTarget)>,
        default_model: Option<ModelName>,
    ) -> Self {
        Self {
            entries,
            default_model,
            is_auto: false,
            listed: Arc::default(),
        }
    }

    /// With those that OCI lists, once they are known.
    pub(crate) fn with_listed(mut self) -> Self {
        self.is_auto = true;
        self
    }

    /// Whether those that OCI lists are served too.
    pub(crate) fn is_auto(&self) -> bool {
        self.is_auto
    }

    /// What OCI lists now.
    pub(crate) fn set_listed(&mut self, listed: Arc<Vec<Listed>>) {
        if self.is_auto {
            self.listed = listed;
        }
    }

    /// The model of exactly that name.
    pub(crate) fn find(&self, name: &str) -> Option<(&ModelName, &ModelTarget)> {
        // Tens of entries: a search is as fast as a hash.
        let mut models = self.iter();
        models.find(|(known, _)| known.as_str() == name)
    }

    /// Its name, if there is one for requests whose model is unknown.
    pub(crate) fn default_model(&self) -> Option<&str> {
        self.default_model.as_ref().map(ModelName::as_str)
    }

    /// What OCI lists of the model with this id.
    pub(crate) fn listed(&self, target: &ModelTarget) -> Option<&Listed> {
        let mut listed = self.listed.iter();
        listed.find(|model| model.target.id() == target.id())
    }

    /// What a model can be asked for.
    pub(crate) fn capabilities(&self, target: &ModelTarget) -> Capabilities {
        let listed = self.listed(target).map(|model| model.capabilities);
        listed.unwrap_or_else(|| Capabilities::of_model_id(target.id()))
    }

    /// The model of that name, else the default one. `None` if there is no default, or the default is no model.
    pub(crate) fn resolve(&self, name: &str) -> Option<(&ModelName, &ModelTarget)> {
        self.find(name).or_else(|| self.find(self.default_model()?))
    }

    /// In the file's order, then those that OCI lists.
    pub(crate) fn names(&self) -> impl Iterator<Item = &ModelName> {
        self.iter().map(|(name, _)| name)
    }

    /// In the file's order, then those that OCI lists and that have no entry of their name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ModelName, &ModelTarget)> {
        let entries = self.entries.iter().map(|(name, target)| (name, target));
        let is_new = |model: &&Listed| !self.entries.iter().any(|(name, _)| *name == model.name);
        let listed = self.listed.iter().filter(is_new);
        entries.chain(listed.map(|model| (&model.name, &model.target)))
    }

    /// Of the file.
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
            Some(_) | None => UNKNOWN_VENDOR,
        }
    }

    /// Whether it can be asked for this, as far as its id tells; it is the model that was `found` for the name that was `asked` for.
    /// Errors: 400 for a model of that name that is for something else; 404 where the default one is.
    pub(crate) fn must_be_for(
        &self,
        purpose: Purpose,
        asked: &str,
        found: &ModelName,
    ) -> Result<(), ApiError> {
        match self.purpose() {
            Some(other) if other != purpose && found.as_str() == asked => {
                let message = format!("The model '{asked}' {}.", other.told());
                Err(ApiError::invalid_request(message, Some("model".to_owned())))
            }
            Some(other) if other != purpose => Err(ApiError::unknown_model(asked)),
            Some(_) | None => Ok(()),
        }
    }

    /// What it is for, where its id tells.
    pub(crate) fn purpose(&self) -> Option<Purpose> {
        let id = self.id.to_ascii_lowercase();
        let row = PURPOSES.iter().find(|(prefix, _)| id.starts_with(prefix));
        row.map(|(_, purpose)| *purpose)
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
    fn a_model_is_asked_for_what_it_is_for_if_its_id_tells() {
        use Purpose::{Chat, Embeddings, Rerank};
        let entry = |name: &str, id: &str| (ModelName::new(name), ModelTarget::new(id, None));
        let entries = vec![
            entry("grok", "xai.grok-4.3"),
            entry("embed", "Cohere.embed-v4.0"),
            entry("rerank", "cohere.rerank-v3.5"),
            entry("own", "ocid1.generativeaiendpoint.oc1.us-chicago-1.x"),
            entry("gemini", "google.gemini-2.5-pro"),
        ];
        let map = ModelMap::new(entries, Some(ModelName::new("grok")));
        let status = |name: &str, purpose| {
            let Some((found, target)) = map.resolve(name) else {
                return 0;
            };
            let checked = target.must_be_for(purpose, name, found);
            checked.map_or_else(|error| error.status, |()| 200)
        };
        for (name, statuses) in [
            ("grok", [200, 400, 400]),
            ("embed", [400, 200, 400]),
            ("rerank", [400, 400, 200]),
            ("own", [200, 200, 200]),
            ("gemini", [200, 200, 200]),
            ("unknown", [200, 404, 404]),
        ] {
            let all = [Chat, Embeddings, Rerank].map(|purpose| status(name, purpose));
            assert_eq!(all, statuses, "{name}");
        }
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
