//! What a request offers the model to call. Functions are flat here; a custom tool, which takes any text, is a function with one
//! string for a chat; the tools of a namespace are functions with longer names. The answer tells each by its own name again.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::openai::error::ApiError;
use crate::openai::tools::{Function, Tool, ToolChoice};

use super::places::Places;
use super::request::{self, Choice, ChoiceObject, Freeform};

/// The one argument of a custom tool.
pub(super) const INPUT: &str = "input";

/// OpenAI runs these, and the model may do without: agents send them whether they are needed or not. They are left out, and the
/// client is told.
const MAY_BE_LEFT_OUT: [&str; 3] = ["web_search", "image_generation", "tool_search"];

/// Between a namespace and a tool's name, for a model that knows no namespaces.
const JOINT: &str = "__";

#[derive(Debug, Default)]
pub(super) struct Offer {
    pub(super) tools: Vec<Tool>,
    pub(super) choice: Option<ToolChoice>,
    pub(super) names: Names,
    pub(super) places: Places,
    pub(super) left_out: Vec<String>,
}

/// Tools whose calls are not told under the chat's name, by that name.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, Origin>);

/// What a chat's function is to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) is_custom: bool,
}

impl Names {
    /// What the function of that name is to the client.
    pub(super) fn origin(&self, name: &str) -> Origin {
        self.0.get(name).cloned().unwrap_or_else(|| Origin {
            name: name.to_owned(),
            namespace: None,
            is_custom: false,
        })
    }

    /// The chat's name of a tool.
    pub(super) fn in_chat(&self, namespace: Option<&str>, name: String) -> String {
        match namespace {
            None | Some("") => name,
            Some(space) if space.ends_with(JOINT) => format!("{space}{name}"),
            Some(space) => format!("{space}{JOINT}{name}"),
        }
    }
}

/// Errors: 400 that names the tool.
pub(super) fn offer(tools: Vec<request::Tool>, choice: Option<Choice>) -> Result<Offer, ApiError> {
    let mut offer = Offer::default();
    for (at, tool) in tools.into_iter().enumerate() {
        offer.take(tool, None, format!("tools[{at}]"))?;
    }
    offer.choice = match choice {
        Some(choice) => chosen(choice, &offer.names)?,
        None => None,
    };
    // Without tools there is nothing to choose. Agents say so all the same, and what was offered may have been left out.
    let is_free = matches!(offer.choice, Some(ToolChoice::Auto | ToolChoice::None));
    if offer.tools.is_empty() && is_free {
        offer.choice = None;
    }
    Ok(offer)
}

impl Offer {
    fn take(
        &mut self,
        tool: request::Tool,
        namespace: Option<&str>,
        place: String,
    ) -> Result<(), ApiError> {
        let kind = tool.kind.as_deref().unwrap_or("function");
        match kind {
            "function" => {
                let parameters = match tool.parameters {
                    Some(Value::Object(parameters)) => Some(parameters),
                    None => None,
                    Some(_) => {
                        let why = "expected an object, a JSON schema";
                        return Err(refused(format!("{place}.parameters"), why));
                    }
                };
                let function = Function {
                    name: None,
                    description: tool.description,
                    parameters,
                    strict: tool.strict,
                };
                self.add(function, tool.name, namespace, false, place)
            }
            "custom" => {
                let function = freeform(tool.description, tool.format);
                self.add(function, tool.name, namespace, true, place)
            }
            "namespace" if namespace.is_none() => {
                let space = needed(tool.name, &place)?;
                for (at, tool) in tool.tools.into_iter().enumerate() {
                    self.take(tool, Some(&space), format!("{place}.tools[{at}]"))?;
                }
                Ok(())
            }
            _ if is_dispensable(kind) => {
                self.left_out.push(format!("{place} ({})", printable(kind)));
                Ok(())
            }
            _ => {
                let why = format!(
                    "tools of the type `{kind}` are run by OpenAI and not here: offer a function of your own"
                );
                Err(refused(format!("{place}.type"), &why))
            }
        }
    }

    fn add(
        &mut self,
        mut function: Function,
        name: Option<String>,
        namespace: Option<&str>,
        is_custom: bool,
        place: String,
    ) -> Result<(), ApiError> {
        let name = needed(name, &place)?;
        let in_chat = self.names.in_chat(namespace, name.clone());
        if is_custom || namespace.is_some() {
            let origin = Origin {
                name,
                namespace: namespace.map(str::to_owned),
                is_custom,
            };
            self.names.0.insert(in_chat.clone(), origin);
        }
        function.name = Some(in_chat);
        self.places.push(place);
        self.tools.push(Tool {
            kind: Some("function".to_owned()),
            function: Some(function),
        });
        Ok(())
    }
}

/// Dated kinds and previews too: `web_search_preview_2025_03_11`.
fn is_dispensable(kind: &str) -> bool {
    MAY_BE_LEFT_OUT.iter().any(|known| {
        kind.strip_prefix(known)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
    })
}

/// It stands in a header.
fn printable(kind: &str) -> String {
    const LONGEST: usize = 64;
    let chars = kind.chars().filter(char::is_ascii_graphic);
    chars.take(LONGEST).collect()
}

/// No model here is held to a grammar: it is told of it.
fn freeform(description: Option<String>, format: Option<Freeform>) -> Function {
    let mut text = description.unwrap_or_default();
    if let Some(Freeform {
        syntax,
        definition: Some(definition),
    }) = format
    {
        let syntax = syntax.as_deref().unwrap_or("lark");
        text.push_str(&format!(
            "\n\nThe text of `{INPUT}` must match this {syntax} grammar:\n{definition}"
        ));
    }
    let schema = json!({
        "type": "object",
        "properties": {INPUT: {"type": "string", "description": "The tool's whole input, as plain text"}},
        "required": [INPUT],
        "additionalProperties": false,
    });
    let parameters = match schema {
        Value::Object(schema) => Some(schema),
        _ => None,
    };
    Function {
        name: None,
        description: Some(text).filter(|text| !text.is_empty()),
        parameters,
        strict: None,
    }
}

fn chosen(choice: Choice, names: &Names) -> Result<Option<ToolChoice>, ApiError> {
    let wrong = |field: &str, why: &str| refused(format!("tool_choice{field}"), why);
    let kind = choice.kind.as_deref().unwrap_or_default();
    match kind {
        "none" => Ok(Some(ToolChoice::None)),
        "auto" => Ok(Some(ToolChoice::Auto)),
        "required" => Ok(Some(ToolChoice::Required)),
        "function" | "custom" => {
            let name = choice.name.ok_or_else(|| wrong(".name", "is missing"))?;
            let name = names.in_chat(choice.namespace.as_deref(), name);
            Ok(Some(ToolChoice::Function { name }))
        }
        "allowed_tools" => {
            let name_of = |tool: ChoiceObject| {
                let name = tool.name?;
                Some(names.in_chat(tool.namespace.as_deref(), name))
            };
            Ok(Some(ToolChoice::Allowed {
                required: choice.mode.as_deref() == Some("required"),
                names: choice.tools.into_iter().filter_map(name_of).collect(),
            }))
        }
        _ => Err(wrong(
            "",
            &format!(
                "`{kind}` is none of `none`, `auto`, `required`, `function`, `custom`, `allowed_tools`"
            ),
        )),
    }
}

fn needed(name: Option<String>, place: &str) -> Result<String, ApiError> {
    name.filter(|name| !name.is_empty())
        .ok_or_else(|| refused(format!("{place}.name"), "is missing"))
}

fn refused(param: String, why: &str) -> ApiError {
    ApiError::invalid_request(format!("`{param}`: {why}"), Some(param))
}
