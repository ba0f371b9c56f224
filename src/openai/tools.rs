//! Tools, functions and the choice among them, as a chat request has them.
//! Source: OpenAI API reference, Create chat completion; `functions` and `function_call` are its older form.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::{Map, Value};

use super::fields::{self, StringOrObject};

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Tool {
    /// `function`; `custom` and built-in tools of OpenAI have no counterpart.
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) function: Option<Function>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Function {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// A JSON schema, its keys in the client's order.
    #[serde(default)]
    pub(crate) parameters: Option<Map<String, Value>>,
    /// The model's arguments must keep to the schema.
    #[serde(default)]
    pub(crate) strict: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    None,
    Auto,
    Required,
    Function {
        name: String,
    },
    /// Choose among these only. Empty `names`: no restriction was written.
    Allowed {
        required: bool,
        names: Vec<String>,
    },
}

#[derive(Deserialize)]
pub(crate) struct ToolChoiceObject {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    function: Option<Named>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    allowed_tools: Option<AllowedTools>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Named {
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct AllowedTools {
    #[serde(default)]
    mode: Option<String>,
    #[serde(default, deserialize_with = "fields::or_default")]
    tools: Vec<AllowedTool>,
}

#[derive(Deserialize)]
pub(crate) struct AllowedTool {
    #[serde(default)]
    function: Option<Named>,
    #[serde(default)]
    name: Option<String>,
}

impl<'de> StringOrObject<'de> for ToolChoice {
    type Object = ToolChoiceObject;
    const EXPECTED: &'static str = "`none`, `auto`, `required`, or an object that names a function";

    fn from_text<E: Error>(text: String) -> Result<Self, E> {
        match text.as_str() {
            "none" => Ok(Self::None),
            "auto" => Ok(Self::Auto),
            "required" => Ok(Self::Required),
            other => Err(E::custom(format_args!(
                "`{other}` is not one of `none`, `auto`, `required`"
            ))),
        }
    }

    fn from_object<E: Error>(object: ToolChoiceObject) -> Result<Self, E> {
        match object.kind.as_deref() {
            // Without a type: the older `function_call`, `{"name":"f"}`.
            Some("function") | None => {
                let name = object
                    .function
                    .and_then(|function| function.name)
                    .or(object.name);
                let name = name.ok_or_else(|| E::custom("the function's `name` is missing"))?;
                Ok(Self::Function { name })
            }
            Some("allowed_tools") => {
                let allowed = object
                    .allowed_tools
                    .ok_or_else(|| E::custom("`allowed_tools` is missing"))?;
                let name_of = |tool: AllowedTool| {
                    tool.function
                        .and_then(|function| function.name)
                        .or(tool.name)
                };
                Ok(Self::Allowed {
                    required: allowed.mode.as_deref() == Some("required"),
                    names: allowed.tools.into_iter().filter_map(name_of).collect(),
                })
            }
            Some(mode @ ("none" | "auto" | "required")) => Self::from_text(mode.to_owned()),
            Some(other) => Err(E::custom(format_args!(
                "the type `{other}` is not supported, only `function` is"
            ))),
        }
    }
}

impl<'de> Deserialize<'de> for ToolChoice {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        fields::string_or_object(from)
    }
}
