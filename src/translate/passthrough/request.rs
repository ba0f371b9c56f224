//! A request on its way through: the client's own text with the model's name at OCI, a limit for the answer, and the usage of a
//! stream asked for. Every other byte is the client's.

use serde::de::DeserializeOwned;

use crate::json;
use crate::openai::chat::MAX_CHOICES;
use crate::openai::models::check_name;

use super::super::Rules;
use super::super::models::ModelTarget;
use super::super::quirks::Quirks;
use super::Action;
use super::object::Object;

/// What the limit of an answer is called.
const MAX_TOKENS: &str = "max_tokens";
const MAX_COMPLETION_TOKENS: &str = "max_completion_tokens";
const MAX_OUTPUT_TOKENS: &str = "max_output_tokens";

/// Fields of a response that only a server can answer that keeps what it has said.
const STORED: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

/// A client's request, as far as it is read.
pub(crate) struct Asked<'a> {
    action: Action,
    object: Object<'a>,
    /// The name that the client used.
    pub(crate) model: String,
    pub(crate) wants_stream: bool,
    /// A stream is to have its usage.
    pub(crate) wants_usage: bool,
    /// How many answers were asked for, 1 to [`MAX_CHOICES`].
    pub(crate) choices: u32,
}

/// A request as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    action: Action,
    path: String,
    body: Vec<u8>,
}

impl<'a> Asked<'a> {
    /// `None` for what cannot be passed through: who translates it says why.
    pub(crate) fn read(action: Action, body: &'a [u8]) -> Option<Self> {
        let object = Object::read(std::str::from_utf8(body).ok()?)?;
        let model: String = value(&object, "model")?;
        check_name(&model).ok()?;
        let wants_usage = match (action, object.get("stream_options")) {
            (Action::ChatCompletions, Some(text)) => {
                value(&Object::read(text)?, "include_usage").unwrap_or(false)
            }
            (Action::ChatCompletions, None) => false,
            // The last event has it.
            (Action::Responses, _) => true,
        };
        let choices = match action {
            Action::ChatCompletions => value(&object, "n").unwrap_or(1),
            Action::Responses => 1,
        };
        Some(Self {
            action,
            model,
            wants_stream: or_absent(&object, "stream")?.unwrap_or(false),
            wants_usage,
            choices: u32::clamp(choices, 1, MAX_CHOICES),
            object,
        })
    }

    /// Whether it is about what OCI keeps, or is to keep beyond the answer: nobody else can answer it.
    pub(crate) fn needs_storage(&self) -> bool {
        let is_there = |name: &&str| self.object.get(name).is_some();
        match self.action {
            Action::ChatCompletions => false,
            Action::Responses => {
                STORED.iter().any(is_there) || self.object.get("background") == Some("true")
            }
        }
    }

    /// The request as it goes to a model.
    pub(crate) fn for_model(mut self, target: &ModelTarget, rules: &Rules) -> Passed {
        let object = &mut self.object;
        object.set("model", json_string(target.id()));
        for field in self.action.refused_fields() {
            object.remove(field);
        }
        match self.action {
            Action::ChatCompletions => {
                if rules.force_non_stream && self.wants_stream {
                    object.set("stream", "false".to_owned());
                    object.remove("stream_options");
                } else if self.wants_stream {
                    ask_for_usage(object);
                }
                limit(object, Quirks::of(target.id()), rules);
            }
            Action::Responses if object.get(MAX_OUTPUT_TOKENS).is_none() => {
                object.set(MAX_OUTPUT_TOKENS, rules.default_max_tokens.to_string());
            }
            Action::Responses => {}
        }
        Passed {
            action: self.action,
            path: self.action.path(target.openai_path()),
            body: object.write(),
        }
    }
}

impl Passed {
    pub(crate) fn action(&self) -> Action {
        self.action
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Takes a field out that the model refuses; `false`: it is not there, or its value is none of those that may go.
    pub(in crate::translate) fn drop_field(
        &mut self,
        name: &str,
        may_go: impl FnOnce(&str) -> bool,
    ) -> bool {
        self.change(|object| object.get(name).is_some_and(may_go) && object.remove(name))
    }

    pub(in crate::translate) fn rename_field(&mut self, name: &str, new: &'static str) -> bool {
        self.change(|object| object.get(new).is_none() && object.rename(name, new))
    }

    pub(in crate::translate) fn set_field(&mut self, name: &'static str, value: &str) {
        self.change(|object| {
            object.set(name, value.to_owned());
            true
        });
    }

    /// A field that is a string.
    pub(in crate::translate) fn word(&self, name: &str) -> Option<String> {
        value(&self.read()?, name)
    }

    pub(in crate::translate) fn has_field(&self, name: &str) -> bool {
        self.read().is_some_and(|object| object.get(name).is_some())
    }

    fn read(&self) -> Option<Object<'_>> {
        Object::read(std::str::from_utf8(&self.body).ok()?)
    }

    fn change(&mut self, change: impl FnOnce(&mut Object<'_>) -> bool) -> bool {
        let changed = self
            .read()
            .and_then(|mut object| change(&mut object).then(|| object.write()));
        match changed {
            Some(body) => {
                self.body = body;
                true
            }
            None => false,
        }
    }
}

/// Without it nobody could tell what a stream has cost.
fn ask_for_usage(object: &mut Object<'_>) {
    let asked = match object.get("stream_options").map(Object::read) {
        Some(Some(mut options)) => {
            options.set("include_usage", "true".to_owned());
            String::from_utf8(options.write()).ok()
        }
        Some(None) | None => None,
    };
    let asked = asked.unwrap_or_else(|| r#"{"include_usage":true}"#.to_owned());
    object.set("stream_options", asked);
}

/// Always one: the service's own cuts an answer after about 20 tokens.
fn limit(object: &mut Object<'_>, quirks: Quirks, rules: &Rules) {
    let (older, newer) = (
        object.get(MAX_TOKENS).is_some(),
        object.get(MAX_COMPLETION_TOKENS).is_some(),
    );
    let default = || rules.default_max_tokens.to_string();
    match (older, newer, quirks.completion_tokens) {
        (false, false, true) => object.set(MAX_COMPLETION_TOKENS, default()),
        (false, false, false) => object.set(MAX_TOKENS, default()),
        // A `null` under the new name would be two fields of one name.
        (true, false, true) => {
            object.remove(MAX_COMPLETION_TOKENS);
            object.rename(MAX_TOKENS, MAX_COMPLETION_TOKENS);
        }
        (true, true, true) => {
            object.remove(MAX_TOKENS);
        }
        (_, true, _) | (true, false, false) => {}
    }
}

fn value<T: DeserializeOwned>(object: &Object<'_>, name: &str) -> Option<T> {
    json::from_text(object.get(name)?).ok()
}

/// `None`: it is there and of the wrong type.
fn or_absent<T: DeserializeOwned>(object: &Object<'_>, name: &str) -> Option<Option<T>> {
    match object.get(name) {
        Some(text) => json::from_text(text).ok().map(Some),
        None => Some(None),
    }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        default_max_tokens: 4000,
        force_non_stream: false,
    };

    fn sent(body: &str, id: &str, rules: &Rules) -> String {
        let asked = Asked::read(Action::ChatCompletions, body.as_bytes()).unwrap();
        let passed = asked.for_model(&ModelTarget::new(id, None), rules);
        String::from_utf8(passed.body).unwrap()
    }

    fn check(body: &str, id: &str, expected: &str) {
        assert_eq!(sent(body, id, &RULES), expected, "{body}");
    }

    #[test]
    fn the_model_is_renamed_and_a_limit_added() {
        check(
            r#"{ "messages":[ {"role":"user"} ],  "model": "grok", "x":1.50}"#,
            "xai.grok-4.3",
            r#"{ "messages":[ {"role":"user"} ],  "model": "xai.grok-4.3", "x":1.50,"max_tokens":4000}"#,
        );
        check(
            r#"{"model":"a","max_tokens":5,"store":true}"#,
            "xai.grok-4.3",
            r#"{"model":"xai.grok-4.3","max_tokens":5}"#,
        );
        check(
            r#"{"store":false,"model":"a","max_tokens":null}"#,
            "meta.llama-3",
            r#"{"model":"meta.llama-3","max_tokens":4000}"#,
        );
    }

    #[test]
    fn a_limit_has_the_name_that_the_vendor_wants() {
        for (given, expected) in [
            ("", r#","max_completion_tokens":4000"#),
            (r#","max_tokens":5"#, r#","max_completion_tokens":5"#),
            (
                r#","max_completion_tokens":null,"max_tokens":5"#,
                r#","max_completion_tokens":5"#,
            ),
            (
                r#","max_tokens":5,"max_completion_tokens":6"#,
                r#","max_completion_tokens":6"#,
            ),
        ] {
            check(
                &format!(r#"{{"model":"a"{given}}}"#),
                "openai.gpt-5",
                &format!(r#"{{"model":"openai.gpt-5"{expected}}}"#),
            );
        }
        check(
            r#"{"model":"a","max_completion_tokens":6}"#,
            "openai.gpt-oss-120b",
            r#"{"model":"openai.gpt-oss-120b","max_completion_tokens":6}"#,
        );
    }

    #[test]
    fn the_usage_of_a_stream_is_always_asked_for() {
        for (given, expected) in [
            ("", ""),
            (
                r#","stream_options":null"#,
                r#","stream_options":{"include_usage":true}"#,
            ),
            (
                r#","stream_options":{"a":[1 ],"include_usage":false}"#,
                r#","stream_options":{"a":[1 ],"include_usage":true}"#,
            ),
            (
                r#","stream_options": {}"#,
                r#","stream_options": {"include_usage":true}"#,
            ),
        ] {
            let end = if expected.is_empty() {
                r#","stream_options":{"include_usage":true}"#
            } else {
                ""
            };
            check(
                &format!(r#"{{"stream":true,"max_tokens":1,"model":"a"{given}}}"#),
                "xai.a",
                &format!(r#"{{"stream":true,"max_tokens":1,"model":"xai.a"{expected}{end}}}"#),
            );
        }
        let body = r#"{"stream":true,"stream_options":{"include_usage":true},"model":"a"}"#;
        let whole = Rules {
            force_non_stream: true,
            ..RULES
        };
        let expected = r#"{"stream":false,"model":"xai.a","max_tokens":4000}"#;
        assert_eq!(sent(body, "xai.a", &whole), expected);
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let read = |body: &str| {
            let asked = Asked::read(Action::ChatCompletions, body.as_bytes())?;
            Some((asked.wants_stream, asked.wants_usage, asked.choices))
        };
        let usage = r#"{"model":"a","stream":true,"stream_options":{"include_usage":true},"n":3}"#;
        assert_eq!(read(usage), Some((true, true, 3)));
        assert_eq!(
            read(r#"{"model":"a","stream":null,"n":null}"#),
            Some((false, false, 1))
        );
        assert_eq!(read(r#"{"model":"a","n":0}"#), Some((false, false, 1)));
        for refused in [
            r#"{"model":""}"#,
            r#"{"model":7}"#,
            r#"{"messages":[]}"#,
            r#"{"model":"a","stream":"yes"}"#,
            r#"{"model":"a","stream_options":[]}"#,
            "no JSON",
        ] {
            assert_eq!(read(refused), None, "{refused}");
        }
    }

    #[test]
    fn a_response_gets_its_model_and_a_limit_and_nothing_else() {
        let sent = |body: &str| {
            let asked = Asked::read(Action::Responses, body.as_bytes()).unwrap();
            assert!(asked.wants_usage);
            let passed = asked.for_model(&ModelTarget::new("xai.a", None), &RULES);
            assert!(passed.path().ends_with("/v1/responses"));
            String::from_utf8(passed.body).unwrap()
        };
        for (given, expected) in [
            (
                r#"{"model":"a", "input":"x","store":true,"stream":true}"#,
                r#"{"model":"xai.a", "input":"x","store":true,"stream":true,"max_output_tokens":4000}"#,
            ),
            (
                r#"{"model":"a","max_output_tokens":null,"tools":[{"type":"mcp"}]}"#,
                r#"{"model":"xai.a","max_output_tokens":4000,"tools":[{"type":"mcp"}]}"#,
            ),
            (
                r#"{"stream_options":{"include_obfuscation":false},"max_output_tokens":5,"model":"a"}"#,
                r#"{"stream_options":{"include_obfuscation":false},"max_output_tokens":5,"model":"xai.a"}"#,
            ),
        ] {
            assert_eq!(sent(given), expected);
        }
        let needs = |action, more: &str| {
            let body = format!(r#"{{"model":"a"{more}}}"#);
            Asked::read(action, body.as_bytes())
                .unwrap()
                .needs_storage()
        };
        for (more, expected) in [
            ("", false),
            (r#","store":true"#, false),
            (r#","previous_response_id":null,"background":false"#, false),
            (r#","previous_response_id":"resp_1""#, true),
            (r#","conversation":"conv_1""#, true),
            (r#","background":true"#, true),
        ] {
            assert_eq!(needs(Action::Responses, more), expected, "{more}");
            assert!(!needs(Action::ChatCompletions, more));
        }
    }

    #[test]
    fn a_refused_field_can_go_afterwards() {
        let target = ModelTarget::new("xai.a", None);
        let body = br#"{"model":"a","temperature":1,"n":2,"max_tokens":3}"#;
        let asked = Asked::read(Action::ChatCompletions, body).unwrap();
        let mut passed = asked.for_model(&target, &RULES);
        assert!(passed.drop_field("temperature", |_| true));
        assert!(!passed.drop_field("temperature", |_| true));
        assert!(!passed.drop_field("n", |n| n == "1"));
        assert!(passed.rename_field("max_tokens", "max_completion_tokens"));
        let expected = r#"{"model":"xai.a","n":2,"max_completion_tokens":3}"#;
        assert_eq!(passed.body(), expected.as_bytes());
    }
}
