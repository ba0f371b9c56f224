//! What references unfold to, and what they do not.
#![expect(clippy::unwrap_used, reason = "a test")]

use super::*;
use crate::translate::schema::tests::{map, text};

fn inlined(from: Value) -> Result<Schema, TooLarge> {
    inline_refs(map(from), &mut Budget::default())
}

fn check_inlined(from: Value, expected: &Value) {
    assert_eq!(text(&inlined(from).unwrap()), expected.to_string());
}

#[test]
fn references_are_unfolded_in_place() {
    check_inlined(
        json!({
            "$defs": {"City": {"type": "object", "properties": {"zip": {"$ref": "#/$defs/Zip"}}}, "Zip": {"type": "string"}},
            "definitions": {"Old Style": {"type": "integer", "description": "inner"}},
            "type": "object",
            "properties": {
                "a": {"$ref": "#/$defs/City"},
                "b": {"type": "array", "items": {"$ref": "#/definitions/Old%20Style", "description": "outer"}},
                "c": {"$ref": "#/properties/b/items"}
            }
        }),
        &json!({
            "type": "object",
            "properties": {
                "a": {"type": "object", "properties": {"zip": {"type": "string"}}},
                "b": {"type": "array", "items": {"type": "integer", "description": "outer"}},
                "c": {"type": "integer", "description": "outer"}
            }
        }),
    );
    // A whole schema that is one reference, as Pydantic writes recursive models.
    check_inlined(
        json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {}}}}),
        &json!({"type": "object", "properties": {}}),
    );
    // Definitions that nobody refers to.
    check_inlined(
        json!({"type": "object", "$defs": {"A": {}}}),
        &json!({"type": "object"}),
    );
}

#[test]
fn a_recursive_reference_becomes_an_open_object() {
    check_inlined(
        json!({
            "$defs": {"Node": {"type": "object", "description": "a node", "properties": {
                "value": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}}}}},
            "type": "object", "properties": {"root": {"$ref": "#/$defs/Node"}}
        }),
        &json!({"type": "object", "properties": {"root": {"type": "object", "description": "a node", "properties": {
            "value": {"type": "string"},
            "children": {"type": "array", "items": {"type": "object", "description": "a node"}}}}}}),
    );
    let mutual = json!({"$defs": {"A": {"properties": {"b": {"$ref": "#/$defs/B"}}}, "B": {"properties": {"a": {"$ref": "#/$defs/A"}}}},
        "properties": {"x": {"$ref": "#/$defs/A"}}});
    check_inlined(
        mutual,
        &json!({"properties": {"x": {"properties": {"b": {"properties": {"a": {"type": "object"}}}}}}}),
    );
    for to_itself in [
        json!({"type": "object", "properties": {"me": {"$ref": "#"}}}),
        json!({"type": "object", "properties": {"me": {"$ref": "https://elsewhere/x.json", "type": "object"}}}),
        json!({"type": "object", "properties": {"me": {"$ref": "#/$defs/Gone"}}}),
    ] {
        check_inlined(
            to_itself,
            &json!({"type": "object", "properties": {"me": {"type": "object"}}}),
        );
    }
}

#[test]
fn references_that_unfold_without_measure_are_refused() {
    // Each level refers to the next ten times: 10^30 in all.
    let mut defs = Map::new();
    for level in 0..30 {
        let next = json!({"$ref": format!("#/$defs/L{}", level + 1)});
        let properties: Schema = (0..10).map(|at| (format!("p{at}"), next.clone())).collect();
        defs.insert(format!("L{level}"), json!({"properties": properties}));
    }
    defs.insert("L30".to_owned(), json!({"type": "string"}));
    assert_eq!(
        inlined(json!({"$ref": "#/$defs/L0", "$defs": defs})),
        Err(TooLarge)
    );

    // A long text, referred to often.
    let many: Schema = (0..100)
        .map(|at| (format!("p{at}"), json!({"$ref": "#/$defs/A"})))
        .collect();
    let long = "x".repeat(MAX_UNFOLDED_BYTES / 50);
    let schema = json!({"$defs": {"A": {"description": long}}, "properties": many});
    assert_eq!(inlined(schema), Err(TooLarge));

    // A chain that is deep once it is unfolded.
    let links: Schema = (0..MAX_DEPTH + 1)
        .map(|at| {
            (
                format!("L{at}"),
                json!({"not": {"$ref": format!("#/$defs/L{}", at + 1)}}),
            )
        })
        .collect();
    assert_eq!(
        inlined(json!({"$ref": "#/$defs/L0", "$defs": links})),
        Err(TooLarge)
    );

    // The budget is one for all schemas of a request.
    let mut budget = Budget(400);
    let small =
        || map(json!({"$ref": "#/$defs/A", "$defs": {"A": {"description": "x".repeat(200)}}}));
    assert!(inline_refs(small(), &mut budget).is_ok());
    assert_eq!(inline_refs(small(), &mut budget), Err(TooLarge));
}

#[test]
fn a_long_reference_costs_at_each_place() {
    let far = format!("#/{}", "x".repeat(100_000));
    let properties: Schema = (0..100)
        .map(|number| (format!("p{number}"), json!({"$ref": "#/$defs/D"})))
        .collect();
    let schema = json!({"properties": properties, "$defs": {"D": {"$ref": far}}});
    assert_eq!(inlined(schema), Err(TooLarge));
}
