//! The strict schemas of `embedText` and `rerankText`. Source: OCI API 20231130, EmbedTextDetails and RerankTextDetails;
//! reference §9.

use serde_json::Value;

use super::Kind::{Bool, Integer, List, Object, Tagged, Text, Word};
use super::{Field, MANY, Problem, SERVING_MODES, URL, fields, invalid, items, may, missing, must};

/// Inputs of one call.
const MAX_INPUTS: usize = 96;

const EMBED: &[Field] = &[
    must("compartmentId", Text(1)),
    must("servingMode", Tagged("servingType", SERVING_MODES)),
    may("inputs", List(&Text(1), 1, MAX_INPUTS)),
    may(
        "embedContents",
        List(&Tagged("type", CONTENTS), 1, MAX_INPUTS),
    ),
    may(
        "inputType",
        Word(&[
            "SEARCH_DOCUMENT",
            "SEARCH_QUERY",
            "CLASSIFICATION",
            "CLUSTERING",
            "IMAGE",
        ]),
    ),
    may("truncate", Word(&["NONE", "START", "END"])),
    may("isEcho", Bool),
    may(
        "embeddingTypes",
        List(
            &Word(&["float", "int8", "uint8", "binary", "ubinary", "base64"]),
            1,
            6,
        ),
    ),
    may("outputDimensions", Integer(1)),
];

const CONTENTS: &[(&str, &[Field])] = &[
    ("TEXT", &[must("text", Text(1))]),
    ("IMAGE", &[must("imageUrl", Object(URL))]),
];

const RERANK: &[Field] = &[
    must("compartmentId", Text(1)),
    must("servingMode", Tagged("servingType", SERVING_MODES)),
    must("input", Text(1)),
    must("documents", List(&Text(0), 1, MANY)),
    may("topN", Integer(1)),
    may("isEcho", Bool),
    may("maxChunksPerDocument", Integer(1)),
    may("maxTokensPerDocument", Integer(1)),
];

/// Checks the whole body of `POST /20231130/actions/embedText`.
pub(crate) fn check_embed(body: &Value) -> Result<(), Problem> {
    object(body, EMBED)?;
    let inputs = items(body, "inputs");
    if inputs.clone().next().is_none() && body.get("embedContents").is_none() {
        return Err(missing("inputs"));
    }
    let is_image = |input: &Value| {
        let text = input.as_str().unwrap_or_default();
        text.starts_with("data:image/") && text.contains(";base64,")
    };
    if body.get("inputType").is_some_and(|word| word == "IMAGE")
        && (inputs.clone().count() != 1 || !inputs.clone().all(is_image))
    {
        return Err(invalid("inputs", "must be one image as a data URI"));
    }
    Ok(())
}

/// Checks the whole body of `POST /20231130/actions/rerankText`.
pub(crate) fn check_rerank(body: &Value) -> Result<(), Problem> {
    object(body, RERANK)
}

fn object(body: &Value, known: &[Field]) -> Result<(), Problem> {
    let Value::Object(object) = body else {
        return Err(invalid("", "the body must be a JSON object"));
    };
    fields(object, known, None, "")?;
    let compartment = object.get("compartmentId").and_then(Value::as_str);
    if !compartment.is_some_and(|id| id.starts_with("ocid1.")) {
        return Err(invalid("compartmentId", "must be an OCID"));
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(base: &Value, name: &str, value: Value) -> Value {
        let mut body = base.clone();
        body[name] = value;
        body
    }

    #[test]
    fn what_the_sdk_could_not_say_is_refused() {
        let embed = json!({
            "compartmentId": "ocid1.compartment.oc1..x",
            "servingMode": {"servingType": "ON_DEMAND", "modelId": "cohere.embed-v4.0"},
            "inputs": ["a", "b"],
        });
        check_embed(&embed).unwrap();
        let image = json!(["data:image/png;base64,AAAA"]);
        check_embed(&with(
            &with(&embed, "inputs", image),
            "inputType",
            json!("IMAGE"),
        ))
        .unwrap();
        for (name, value) in [
            ("inputs", json!([])),
            ("inputs", json!([""])),
            ("inputs", json!([[1, 2]])),
            ("inputs", json!(vec!["a"; 97])),
            ("inputType", json!("search_document")),
            ("inputType", json!("IMAGE")),
            ("truncate", json!("end")),
            ("truncate", Value::Null),
            ("outputDimension", json!(256)),
            ("embeddingTypes", json!(["FLOAT"])),
            ("compartmentId", json!("mine")),
        ] {
            assert!(
                check_embed(&with(&embed, name, value.clone())).is_err(),
                "{name} {value}"
            );
        }
        let rerank = json!({
            "compartmentId": "ocid1.compartment.oc1..x",
            "servingMode": {"servingType": "ON_DEMAND", "modelId": "cohere.rerank-v3.5"},
            "input": "q",
            "documents": ["a"],
        });
        check_rerank(&rerank).unwrap();
        for (name, value) in [
            ("documents", json!([])),
            ("documents", json!([{"text": "a"}])),
            ("topN", json!(0)),
            ("query", json!("q")),
            ("isEcho", json!("true")),
        ] {
            assert!(
                check_rerank(&with(&rerank, name, value.clone())).is_err(),
                "{name} {value}"
            );
        }
    }
}
