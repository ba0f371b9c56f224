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
    /// How those are asked.
    listed_api: (UpstreamApi, OpenAiPath),
}

/// A model or a dedicated endpoint at OCI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelTarget {
    id: String,
    format: ApiFormat,
    api: UpstreamApi,
    openai_path: OpenAiPath,
}

/// Which of OCI's two APIs a model is asked through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum UpstreamApi {
    /// The one that all models and regions have.
    #[default]
    Native,
    /// The one that speaks OpenAI's words. Source: reference §1.4.
    OpenAi,
    /// The second where it is to be had, else the first.
    Auto,
}

/// Where the OpenAI-compatible API is. Source: reference §1.4.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OpenAiPath {
    /// The older one, which signed calls have been seen to reach without more headers.
    #[default]
    Actions,
    /// The one in Oracle's newer documents.
    OpenAi,
}

/// Whose models the OpenAI-compatible API has, as far as is certain: what their ids begin with.
const WITH_OPENAI_API: [&str; 3] = ["xai.", "meta.", "openai."];

impl UpstreamApi {
    const ALL: [Self; 3] = [Self::Native, Self::OpenAi, Self::Auto];

    /// As in a configuration.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::OpenAi => "openai",
            Self::Auto => "auto",
        }
    }

    /// In any case.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|api| api.as_str().eq_ignore_ascii_case(name))
    }
}

impl OpenAiPath {
    pub(crate) const ALL: [Self; 2] = [Self::Actions, Self::OpenAi];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Actions => "/20231130/actions/v1",
            Self::OpenAi => "/openai/v1",
        }
    }
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
            listed_api: <(UpstreamApi, OpenAiPath)>::default(),
        }
    }

    /// With those that OCI lists, once they are known, asked through this API.
    pub(crate) fn with_listed(mut self, api: UpstreamApi, openai_path: OpenAiPath) -> Self {
        self.is_auto = true;
        self.listed_api = (api, openai_path);
        self
    }

    /// How a model is asked that OCI lists: natively if the other API is known to lack it.
    pub(crate) fn of_listed(&self, target: ModelTarget) -> ModelTarget {
        let (api, openai_path) = self.listed_api;
        let asked = target.with_api(api, openai_path);
        if asked.lacks_its_api() {
            return asked.with_api(UpstreamApi::Native, openai_path);
        }
        asked
    }

    /// Whether those that OCI lists are served too.
    pub(crate) fn is_auto(&self) -> bool {
        self.is_auto
    }

    /// What OCI lists now.
    pub(crate) fn set_listed(&mut self, listed: Arc<Vec<Listed>>) {
        if !self.is_auto {
            return;
        }
        self.listed = match self.listed_api {
            (UpstreamApi::Native, _) => listed,
            (UpstreamApi::OpenAi | UpstreamApi::Auto, _) => {
                let asked = listed.iter().map(|model| Listed {
                    target: self.of_listed(model.target.clone()),
                    ..model.clone()
                });
                Arc::new(asked.collect())
            }
        };
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

    /// Whether any model is asked through the OpenAI-compatible API.
    pub(crate) fn has_openai_api(&self) -> bool {
        let listed = self.is_auto.then_some(self.listed_api.0);
        let mut apis = self
            .entries
            .iter()
            .map(|(_, target)| target.api)
            .chain(listed);
        apis.any(|api| api != UpstreamApi::Native)
    }
}

impl ModelTarget {
    /// `format` overrides what the id says; a dedicated endpoint's id says nothing and counts as GENERIC.
    pub(crate) fn new(id: impl Into<String>, format: Option<ApiFormat>) -> Self {
        let id = id.into();
        Self {
            format: format.unwrap_or_else(|| ApiFormat::of_model_id(&id)),
            id,
            api: UpstreamApi::default(),
            openai_path: OpenAiPath::default(),
        }
    }

    /// Through this API. With [`UpstreamApi::Auto`] the native one for what the other does not have.
    pub(crate) fn with_api(self, api: UpstreamApi, openai_path: OpenAiPath) -> Self {
        let may_have = WITH_OPENAI_API
            .iter()
            .any(|vendor| self.id.starts_with(vendor));
        let api = match api {
            UpstreamApi::Auto if !may_have => UpstreamApi::Native,
            UpstreamApi::Native | UpstreamApi::OpenAi | UpstreamApi::Auto => api,
        };
        Self {
            api,
            openai_path,
            ..self
        }
    }

    pub(crate) fn api(&self) -> UpstreamApi {
        self.api
    }

    /// It is asked through an API that is known not to have it: Cohere's models and dedicated endpoints. Source: reference §1.4.
    pub(crate) fn lacks_its_api(&self) -> bool {
        let is_native = self.id.starts_with("cohere.") || self.id.starts_with("ocid1.");
        self.api == UpstreamApi::OpenAi && is_native
    }

    pub(super) fn openai_path(&self) -> OpenAiPath {
        self.openai_path
    }

    /// The native API refuses it whatever is asked. Source: reference §7.
    pub(crate) fn is_never_native(&self) -> bool {
        self.id.starts_with("xai.") && self.id.contains("multi-agent")
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
    fn auto_is_for_whom_the_openai_api_has() {
        use UpstreamApi::{Auto, Native, OpenAi};
        for (id, asked, api) in [
            ("xai.grok-4.3", Auto, Auto),
            ("meta.llama-3.3-70b-instruct", Auto, Auto),
            ("openai.gpt-oss-120b", Auto, Auto),
            ("cohere.command-a-03-2025", Auto, Native),
            ("google.gemini-2.5-flash", Auto, Native),
            ("ocid1.generativeaiendpoint.oc1.x", Auto, Native),
            ("cohere.command-a-03-2025", OpenAi, OpenAi),
            ("xai.grok-4.3", Native, Native),
        ] {
            let target = ModelTarget::new(id, None).with_api(asked, OpenAiPath::OpenAi);
            assert_eq!(target.api(), api, "{id}");
        }
        assert_eq!(UpstreamApi::from_name("OpenAI"), Some(OpenAi));
        assert!(!map(None).has_openai_api());
    }

    #[test]
    fn what_oci_lists_is_asked_as_the_others_are() {
        let map =
            ModelMap::new(Vec::new(), None).with_listed(UpstreamApi::OpenAi, OpenAiPath::OpenAi);
        let api = |id: &str| map.of_listed(ModelTarget::new(id, None)).api();
        assert_eq!(api("xai.grok-4.3"), UpstreamApi::OpenAi);
        assert_eq!(api("cohere.command-a-03-2025"), UpstreamApi::Native);
        assert!(map.has_openai_api());
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
