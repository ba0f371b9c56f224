//! What an answer's translation must know of its request: the format that OCI was asked in, and the names that the
//! client's tools have there. Pure and made of the request alone.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::oci::wire::ApiFormat;
use crate::openai::chat::ChatRequest;

use super::models::ModelTarget;

/// Hex digits that tell two names apart which are alike once the forbidden characters are gone.
const SUFFIX_DIGITS: usize = 6;

/// In which words an answer comes. The default is GENERIC's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(super) format: ApiFormat,
    pub(super) names: ToolNames,
}

#[cfg(test)]
impl From<ApiFormat> for Dialect {
    /// Of a request without tools.
    fn from(format: ApiFormat) -> Self {
        Self {
            format,
            names: ToolNames::default(),
        }
    }
}

impl Dialect {
    /// The same for the same request, so that its translation and its answer's agree.
    pub(crate) fn of(request: &ChatRequest, target: &ModelTarget) -> Self {
        let format = target.format();
        Self {
            format,
            names: match format {
                ApiFormat::Generic => ToolNames::default(),
                ApiFormat::Cohere | ApiFormat::CohereV2 => ToolNames::of(request),
            },
        }
    }
}

/// The names of a request's tools at OCI. Cohere's formats take letters, digits and `_`, not a digit first: any other
/// name is replaced by one that is not used yet, and the client gets its own back. One to one; without a replacement
/// for a name, both sides use the same. Source: OCI API 20231130, CohereTool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ToolNames {
    /// `None` if nothing is replaced: the usual case.
    replaced: Option<Arc<Replaced>>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Replaced {
    by_client: HashMap<String, String>,
    by_upstream: HashMap<String, String>,
}

impl ToolNames {
    fn of(request: &ChatRequest) -> Self {
        let tools = request
            .tools
            .iter()
            .filter_map(|tool| tool.function.as_ref());
        let tools = tools
            .chain(&request.functions)
            .filter_map(|function| function.name.as_deref());
        let messages = &request.messages;
        let called = messages.iter().flat_map(|message| {
            let calls = message
                .tool_calls
                .iter()
                .filter_map(|call| call.function.as_ref());
            calls.chain(&message.function_call)
        });
        Self::for_names(tools.chain(called.filter_map(|function| function.name.as_deref())))
    }

    fn for_names<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Self {
        let mut used: HashSet<String> = names
            .clone()
            .filter(|name| is_allowed(name))
            .map(str::to_owned)
            .collect();
        let mut replaced = Replaced::default();
        for name in names.filter(|name| !is_allowed(name)) {
            if !replaced.by_client.contains_key(name) {
                let upstream = replacement(name, &used);
                used.insert(upstream.clone());
                replaced
                    .by_upstream
                    .insert(upstream.clone(), name.to_owned());
                replaced.by_client.insert(name.to_owned(), upstream);
            }
        }
        Self {
            replaced: (!replaced.by_client.is_empty()).then(|| Arc::new(replaced)),
        }
    }

    /// What OCI calls the client's tool.
    pub(super) fn upstream(&self, client: String) -> String {
        let replaced = self.replaced.as_ref();
        replaced
            .and_then(|replaced| replaced.by_client.get(&client).cloned())
            .unwrap_or(client)
    }

    /// What the client calls OCI's tool.
    pub(super) fn client(&self, upstream: String) -> String {
        let replaced = self.replaced.as_ref();
        replaced
            .and_then(|replaced| replaced.by_upstream.get(&upstream).cloned())
            .unwrap_or(upstream)
    }
}

fn is_allowed(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(is_allowed_letter)
}

fn is_allowed_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// As like the name as possible, because the model reads it: `get-weather` becomes `get_weather`.
fn replacement(name: &str, used: &HashSet<String>) -> String {
    let mut alike = String::with_capacity(name.len() + 1);
    if !name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        alike.push('_');
    }
    alike.extend(name.chars().map(|letter| {
        if is_allowed_letter(letter) {
            letter
        } else {
            '_'
        }
    }));
    let mut candidate = alike.clone();
    let mut round = 0_u64;
    while used.contains(&candidate) {
        candidate.clone_from(&alike);
        candidate.push('_');
        let digest = Sha256::digest(format!("{round}:{name}"));
        for byte in digest.iter().take(SUFFIX_DIGITS / 2) {
            let _ = write!(candidate, "{byte:02x}");
        }
        round += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(names: &[&str]) -> Vec<String> {
        let map = ToolNames::for_names(names.iter().copied());
        let there: Vec<_> = names
            .iter()
            .map(|name| map.upstream((*name).to_owned()))
            .collect();
        for (name, there) in names.iter().zip(&there) {
            assert!(is_allowed(there), "{there}");
            assert_eq!(map.client(there.clone()), *name, "and back");
        }
        there
    }

    #[test]
    fn allowed_names_stay_and_others_stay_legible() {
        assert_eq!(
            upstream(&[
                "get_weather",
                "get-weather2",
                "mcp.files/read",
                "2nd",
                "find ü"
            ]),
            [
                "get_weather",
                "get_weather2",
                "mcp_files_read",
                "_2nd",
                "find__"
            ]
        );
    }

    #[test]
    fn no_two_names_become_one() {
        let names = [
            "a-b", "a_b", "a b", "a.b", "天气", "时间", "", "_", "1", "_1", "a-b",
        ];
        let there = upstream(&names);
        let distinct = |list: &[String]| list.iter().collect::<HashSet<_>>().len();
        assert_eq!(distinct(&there), names.len() - 1);
        assert_eq!(there.get(1).map(String::as_str), Some("a_b"));
        assert_eq!(there, upstream(&names), "the same every time");
    }

    #[test]
    fn a_name_that_nobody_sent_stays() {
        let map = ToolNames::for_names(["a-b"].into_iter());
        assert_eq!(map.client("directly_answer".to_owned()), "directly_answer");
        assert_eq!(map.upstream("x-y".to_owned()), "x-y");
    }
}
