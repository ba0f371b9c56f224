//! Models as the control plane lists them: what they are called, what they can do, and until when. Source: reference §1.3.

use serde_json::{Value, json};

use super::answer::Vendor;
use super::lists::model_ocid;

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedModel {
    /// `displayName`.
    pub name: String,
    /// `CHAT`, `TEXT_EMBEDDINGS`, `TEXT_RERANK`, `FINE_TUNE` and others.
    pub capabilities: Vec<String>,
    /// `BASE` or `CUSTOM`.
    pub kind: String,
    /// `timeOnDemandRetired`, RFC 3339.
    pub retired: Option<String>,
}

impl ListedModel {
    /// A base model that is not retired. It answers chats, unless its name says otherwise.
    pub fn new(name: &str) -> Self {
        let of = |part: &str| name.contains(part);
        let capability = if of(".embed-") {
            "TEXT_EMBEDDINGS"
        } else if of(".rerank-") {
            "TEXT_RERANK"
        } else {
            "CHAT"
        };
        Self {
            name: name.to_owned(),
            capabilities: vec![capability.to_owned()],
            kind: "BASE".to_owned(),
            retired: None,
        }
    }

    /// That has left the on-demand service, or will.
    #[must_use]
    pub fn retired(mut self, time: &str) -> Self {
        self.retired = Some(time.to_owned());
        self
    }

    /// With these capabilities instead.
    #[must_use]
    pub fn able(mut self, capabilities: &[&str]) -> Self {
        self.capabilities = capabilities.iter().map(|one| (*one).to_owned()).collect();
        self
    }

    /// That somebody has tuned.
    #[must_use]
    pub fn custom(mut self) -> Self {
        self.kind = "CUSTOM".to_owned();
        self
    }

    pub(super) fn is_able(&self, asked: &[&str]) -> bool {
        let mut own = self.capabilities.iter();
        asked.is_empty() || own.any(|one| asked.contains(&one.as_str()))
    }

    pub(super) fn summary(&self) -> Value {
        let is_custom = self.kind == "CUSTOM";
        json!({
            "id": model_ocid(&self.name),
            "compartmentId": is_custom.then_some("ocid1.compartment.oc1..simulated"),
            "capabilities": self.capabilities,
            "lifecycleState": "ACTIVE",
            "lifecycleDetails": null,
            "displayName": self.name,
            "vendor": match Vendor::of(&self.name) {
                Vendor::Meta => "meta",
                Vendor::Xai => "xai",
                Vendor::Google => "google",
                Vendor::OpenAi | Vendor::GptOss => "openai",
                Vendor::Cohere => "cohere",
                Vendor::Other => "other",
            },
            "version": "1.0",
            "timeCreated": "2026-06-10T00:00:00Z",
            "baseModelId": is_custom.then(|| model_ocid("cohere.command-a-03-2025")),
            "type": self.kind,
            "fineTuneDetails": null,
            "modelMetrics": null,
            "isLongTermSupported": false,
            "timeDeprecated": null,
            "timeOnDemandRetired": self.retired,
            "timeDedicatedRetired": null,
            "freeformTags": {},
            "definedTags": {},
            "systemTags": {},
        })
    }
}
