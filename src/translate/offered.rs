//! What a request offers the model beside its messages: the tools, the choice among them, and the shape of the answer.
//! Put right for the model here, once for all formats; each format then writes it in its own words.
//! Source: reference §4, §7 and §10.1.

use std::collections::HashSet;

use crate::oci::wire::generic as wire;
use crate::openai::chat::{ChatRequest, ResponseFormat, ResponseFormatKind};
use crate::openai::tools::{Function, Tool, ToolChoice};

use super::BadRequest;
use super::quirks::Quirks;
use super::schema;
use super::schema::refs::{Budget, TooLarge};

/// In the words of GENERIC, which say the most.
pub(super) struct Offered {
    pub(super) tools: Vec<wire::ToolDefinition>,
    /// Never a function that is none of the tools.
    pub(super) tool_choice: Option<wire::ToolChoice>,
    /// The field that the choice stands in: the older one, if the client used that.
    pub(super) choice_param: &'static str,
    pub(super) response_format: Option<wire::ResponseFormat>,
}

/// Takes it out of the request. Errors: what is missing, or of a kind that OCI has not, and references in schemas that
/// unfold to too much.
pub(super) fn offered(request: &mut ChatRequest, quirks: Quirks) -> Result<Offered, BadRequest> {
    let mut budget = Budget::default();
    let modern = request.tools.len();
    let mut tools = tools(
        std::mem::take(&mut request.tools),
        std::mem::take(&mut request.functions),
    )?;
    tidy_schemas(&mut tools, modern, quirks, &mut budget)?;
    let (choice, choice_param) = match (request.tool_choice.take(), request.function_call.take()) {
        (None, Some(older)) => (Some(older), "function_call"),
        (choice, _) => (choice, "tool_choice"),
    };
    let tool_choice = match choice {
        Some(choice) => tool_choice(choice, &mut tools, choice_param)?,
        None => None,
    };
    let response_format = request
        .response_format
        .take()
        .map(|format| response_format(format, quirks, &mut budget))
        .transpose()?;
    Ok(Offered {
        tools,
        tool_choice,
        choice_param,
        response_format,
    })
}

/// As the client wrote them, those in the older form behind the others.
fn tools(
    tools: Vec<Tool>,
    functions: Vec<Function>,
) -> Result<Vec<wire::ToolDefinition>, BadRequest> {
    let modern = tools.into_iter().enumerate().map(|(at, tool)| {
        match tool.kind.as_deref() {
            Some("function") | None => {}
            Some(other) => {
                let why = format!("tools of type `{other}` are not supported, only `function`");
                return Err(BadRequest::invalid(format!("tools[{at}].type"), why));
            }
        }
        match tool.function {
            Some(function) => definition(function, || format!("tools[{at}].function.name")),
            None => Err(BadRequest::invalid(
                format!("tools[{at}].function"),
                "is missing",
            )),
        }
    });
    let older = functions
        .into_iter()
        .enumerate()
        .map(|(at, function)| definition(function, || format!("functions[{at}].name")));
    modern.chain(older).collect()
}

fn definition(
    function: Function,
    param: impl Fn() -> String,
) -> Result<wire::ToolDefinition, BadRequest> {
    let name = function.name.filter(|name| !name.is_empty());
    Ok(wire::ToolDefinition {
        name: name.ok_or_else(|| BadRequest::invalid(param(), "is missing"))?,
        description: function.description,
        parameters: function.parameters,
        strict: function.strict == Some(true),
    })
}

/// `modern`: how many of the tools are not in the older form.
fn tidy_schemas(
    tools: &mut [wire::ToolDefinition],
    modern: usize,
    quirks: Quirks,
    budget: &mut Budget,
) -> Result<(), BadRequest> {
    for (at, tool) in tools.iter_mut().enumerate() {
        let Some(parameters) = tool.parameters.take() else {
            continue;
        };
        let tidy = schema::tool_parameters(parameters, quirks, budget);
        tool.parameters = Some(tidy.map_err(|TooLarge| {
            too_large(match at.checked_sub(modern) {
                None => format!("tools[{at}].function.parameters"),
                Some(at) => format!("functions[{at}].parameters"),
            })
        })?);
    }
    Ok(())
}

fn response_format(
    format: ResponseFormat,
    quirks: Quirks,
    budget: &mut Budget,
) -> Result<wire::ResponseFormat, BadRequest> {
    let missing =
        |param: &str| BadRequest::invalid(format!("response_format.{param}"), "is missing");
    match format.kind.ok_or_else(|| missing("type"))? {
        ResponseFormatKind::Text => Ok(wire::ResponseFormat::Text),
        ResponseFormatKind::JsonObject => Ok(wire::ResponseFormat::JsonObject),
        ResponseFormatKind::JsonSchema => {
            let from = format.json_schema.ok_or_else(|| missing("json_schema"))?;
            let schema = from
                .schema
                .map(|schema| schema::response_schema(schema, quirks, budget))
                .transpose()
                .map_err(|TooLarge| too_large("response_format.json_schema.schema".to_owned()))?;
            Ok(wire::ResponseFormat::JsonSchema {
                json_schema: wire::JsonSchema {
                    name: from.name,
                    description: from.description,
                    schema,
                    is_strict: from.strict,
                },
            })
        }
    }
}

fn too_large(param: String) -> BadRequest {
    BadRequest::invalid(
        param,
        "its references unfold to too much: write out what they point to, or split the tool",
    )
}

/// A list of allowed tools becomes the list of tools: what is not sent cannot be chosen.
fn tool_choice(
    choice: ToolChoice,
    tools: &mut Vec<wire::ToolDefinition>,
    param: &str,
) -> Result<Option<wire::ToolChoice>, BadRequest> {
    let wrong = |why: &str| Err(BadRequest::invalid(param, why));
    if tools.is_empty() {
        return match choice {
            ToolChoice::None
            | ToolChoice::Auto
            | ToolChoice::Allowed {
                required: false, ..
            } => Ok(None),
            ToolChoice::Required
            | ToolChoice::Function { .. }
            | ToolChoice::Allowed { required: true, .. } => wrong("needs `tools`"),
        };
    }
    Ok(Some(match choice {
        ToolChoice::None => wire::ToolChoice::None,
        ToolChoice::Auto => wire::ToolChoice::Auto,
        ToolChoice::Required => wire::ToolChoice::Required,
        ToolChoice::Function { name } => {
            if !tools.iter().any(|tool| tool.name == name) {
                return wrong("names none of the `tools`");
            }
            wire::ToolChoice::Function { name }
        }
        ToolChoice::Allowed { required, names } => {
            if !names.is_empty() {
                // Both lists may be long: each name is not looked for in all of the other.
                let names: HashSet<String> = names.into_iter().collect();
                tools.retain(|tool| names.contains(&tool.name));
            }
            match (tools.is_empty(), required) {
                (true, _) => return wrong("allows none of the `tools`"),
                (false, true) => wire::ToolChoice::Required,
                (false, false) => wire::ToolChoice::Auto,
            }
        }
    }))
}
