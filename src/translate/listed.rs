//! Which of the models that OCI lists can be served, and what for. Pure: the time is passed in. Source: reference §1.3.

use std::collections::BTreeMap;

use super::models::ModelTarget;
use crate::names::ModelName;
use crate::oci::wire::models::{ModelSummary, unix_seconds};

/// Models of one account that are served under their own names. More than OCI has; the last ones of the alphabet are left out.
const MAX_SERVED: usize = 500;
/// Longest name. It is the clients' name too, and stands in statistics and log lines.
const MAX_NAME_BYTES: usize = 200;

/// What a model can be asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Capabilities {
    pub(crate) chat: bool,
    pub(crate) embeddings: bool,
    pub(crate) rerank: bool,
}

/// A model that OCI lists and serves on demand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its name at OCI, which clients use too.
    pub(crate) name: ModelName,
    pub(crate) target: ModelTarget,
    pub(crate) capabilities: Capabilities,
    /// As OCI names it.
    pub(crate) vendor: Option<String>,
    /// Seconds since 1970.
    pub(crate) created: Option<u64>,
}

impl Capabilities {
    /// What the id of a model lets expect that nobody has listed.
    pub(crate) fn of_model_id(id: &str) -> Self {
        let (_, name) = id.split_once('.').unwrap_or(("", id));
        let (embeddings, rerank) = (name.starts_with("embed"), name.starts_with("rerank"));
        Self {
            chat: !embeddings && !rerank,
            embeddings,
            rerank,
        }
    }

    /// In words.
    pub(crate) fn words(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.chat, "chat"),
            (self.embeddings, "embeddings"),
            (self.rerank, "rerank"),
        ];
        all.into_iter()
            .filter(|(has, _)| *has)
            .map(|(_, word)| word)
    }

    fn of(listed: &[String]) -> Self {
        let has = |capability: &str| listed.iter().any(|one| one == capability);
        Self {
            chat: has("CHAT"),
            embeddings: has("TEXT_EMBEDDINGS"),
            rerank: has("TEXT_RERANK"),
        }
    }

    fn is_none(self) -> bool {
        self == Self::default()
    }

    fn and(self, other: Self) -> Self {
        Self {
            chat: self.chat || other.chat,
            embeddings: self.embeddings || other.embeddings,
            rerank: self.rerank || other.rerank,
        }
    }
}

/// Those that can be served on demand, each name once, in the order of their names. `now`: seconds since 1970.
pub(crate) fn served(listed: Vec<ModelSummary>, now: i64) -> Vec<Listed> {
    let mut found: BTreeMap<ModelName, Listed> = BTreeMap::new();
    for model in listed {
        let Some(model) = understood(model, now) else {
            continue;
        };
        match found.get_mut(&model.name) {
            Some(known) => known.capabilities = known.capabilities.and(model.capabilities),
            None => drop(found.insert(model.name.clone(), model)),
        }
    }
    found.into_values().take(MAX_SERVED).collect()
}

/// `None`: it cannot be served on demand. What only serves to be fine-tuned has none of the capabilities.
fn understood(model: ModelSummary, now: i64) -> Option<Listed> {
    let is = |value: &Option<String>, word: &str| value.as_deref().is_none_or(|text| text == word);
    let retired = model.time_on_demand_retired.as_deref();
    let is_retired = retired.and_then(unix_seconds).is_some_and(|at| at <= now);
    let is_custom = !is(&model.kind, "BASE") || model.base_model_id.is_some();
    let capabilities = Capabilities::of(&model.capabilities);
    let is_inactive = !is(&model.lifecycle_state, "ACTIVE");
    if is_retired || is_custom || is_inactive || capabilities.is_none() {
        return None;
    }
    let name = model.display_name?;
    let is_name = name.len() <= MAX_NAME_BYTES && name.bytes().all(|byte| byte.is_ascii_graphic());
    let created = model.time_created.as_deref().and_then(unix_seconds);
    is_name.then(|| Listed {
        target: ModelTarget::new(name.as_str(), None),
        name: ModelName::new(name),
        capabilities,
        vendor: model.vendor.map(|vendor| vendor.to_ascii_lowercase()),
        created: created.and_then(|created| u64::try_from(created).ok()),
    })
}

/// All of these together, each once, in the order of their names.
pub(crate) fn union<'a>(lists: impl Iterator<Item = &'a [Listed]>) -> Vec<Listed> {
    let mut all: BTreeMap<&ModelName, &Listed> = BTreeMap::new();
    for model in lists.flatten() {
        all.entry(&model.name).or_insert(model);
    }
    all.into_values().cloned().collect()
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use super::*;

    /// 2026-11-26.
    const NOW: i64 = 1_795_651_200;

    fn summary(name: &str, capabilities: &[&str]) -> ModelSummary {
        ModelSummary {
            display_name: Some(name.to_owned()),
            vendor: Some("XAI".to_owned()),
            capabilities: capabilities.iter().map(|one| (*one).to_owned()).collect(),
            lifecycle_state: Some("ACTIVE".to_owned()),
            kind: Some("BASE".to_owned()),
            time_created: Some("2026-06-10T00:00:00Z".to_owned()),
            ..ModelSummary::default()
        }
    }

    fn names(models: &[Listed]) -> Vec<&str> {
        models.iter().map(|model| model.name.as_str()).collect()
    }

    #[test]
    fn what_cannot_be_served_on_demand_is_dropped() {
        let chat = |name| summary(name, &["CHAT"]);
        let text = |text: &str| Some(text.to_owned());
        let listed = vec![
            chat("xai.grok-4.3"),
            summary("cohere.embed-v4.0", &["TEXT_EMBEDDINGS"]),
            summary("cohere.rerank-v4.0-pro", &["TEXT_RERANK"]),
            summary("cohere.command-tuned", &["FINE_TUNE"]),
            summary("x.images", &["TEXT_TO_IMAGE"]),
            ModelSummary {
                time_on_demand_retired: text("2026-08-15T00:00:00Z"),
                ..chat("xai.grok-3")
            },
            ModelSummary {
                time_on_demand_retired: text("2027-08-15T00:00:00Z"),
                ..chat("xai.grok-4.6")
            },
            ModelSummary {
                kind: text("CUSTOM"),
                ..chat("mine")
            },
            ModelSummary {
                base_model_id: text("ocid1.generativeaimodel.oc1..a"),
                ..chat("mine-too")
            },
            ModelSummary {
                lifecycle_state: text("DELETED"),
                ..chat("gone")
            },
            ModelSummary {
                display_name: None,
                ..chat("nameless")
            },
            chat("two words"),
            chat(&"x".repeat(MAX_NAME_BYTES + 1)),
        ];
        let served = served(listed, NOW);
        assert_eq!(
            names(&served),
            [
                "cohere.embed-v4.0",
                "cohere.rerank-v4.0-pro",
                "xai.grok-4.3",
                "xai.grok-4.6"
            ]
        );
        let words = |at: usize| served[at].capabilities.words().collect::<Vec<_>>();
        assert_eq!((words(0), words(1)), (vec!["embeddings"], vec!["rerank"]));
        let grok = &served[2];
        assert_eq!(grok.vendor.as_deref(), Some("xai"));
        assert_eq!(grok.created, Some(1_781_049_600));
    }

    #[test]
    fn a_name_comes_once_with_all_that_it_can_do() {
        let retired = ModelSummary {
            time_on_demand_retired: Some("2026-01-01T00:00:00Z".to_owned()),
            ..summary("a", &["TEXT_RERANK"])
        };
        let listed = vec![
            retired,
            summary("a", &["FINE_TUNE"]),
            summary("a", &["CHAT"]),
            summary("a", &["TEXT_EMBEDDINGS", "CHAT"]),
        ];
        let served = served(listed, NOW);
        assert_eq!(names(&served), ["a"]);
        let words: Vec<_> = served[0].capabilities.words().collect();
        assert_eq!(words, ["chat", "embeddings"]);
    }

    #[test]
    fn a_list_is_bounded_and_a_union_has_each_once() {
        let many = (0..MAX_SERVED + 5).map(|number| summary(&format!("m{number:04}"), &["CHAT"]));
        let many = served(many.collect(), NOW);
        assert_eq!(many.len(), MAX_SERVED);
        let (b, c) = (
            served(vec![summary("b", &["CHAT"]), summary("c", &["CHAT"])], NOW),
            served(vec![summary("a", &["CHAT"]), summary("b", &["CHAT"])], NOW),
        );
        let all = union([b.as_slice(), c.as_slice()].into_iter());
        assert_eq!(names(&all), ["a", "b", "c"]);
    }

    #[test]
    fn an_id_that_nobody_lists_says_what_it_is_for() {
        let words = |id: &str| Capabilities::of_model_id(id).words().collect::<Vec<_>>();
        assert_eq!(words("cohere.embed-v4.0"), ["embeddings"]);
        assert_eq!(words("cohere.rerank-v3.5"), ["rerank"]);
        assert_eq!(words("xai.grok-4"), ["chat"]);
        assert_eq!(words("ocid1.generativeaiendpoint.oc1..x"), ["chat"]);
    }
}
