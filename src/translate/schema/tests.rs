//! One test for each thing that is removed, and one for all that stays.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use super::*;

fn map(value: Value) -> Schema {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

fn text(schema: &Schema) -> String {
    serde_json::to_string(schema).unwrap()
}

/// As text, so that the order of keys counts.
fn check(change: impl Fn(&mut Schema), from: Value, expected: &Value) {
    let mut schema = map(from);
    change(&mut schema);
    assert_eq!(text(&schema), expected.to_string());
}

fn inlined(from: Value) -> Result<Schema, TooLarge> {
    inline_refs(map(from), &mut Budget::default())
}

fn check_inlined(from: Value, expected: &Value) {
    assert_eq!(text(&inlined(from).unwrap()), expected.to_string());
}

fn google() -> Quirks {
    Quirks::of("google.gemini-2.5-pro")
}

#[test]
fn a_schema_that_needs_nothing_stays_to_the_byte() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object", "description": "d", "additionalProperties": false,
        "required": ["title", "z", "definitions"],
        "properties": {
            "z": {"type": "integer", "minimum": 1, "default": 0},
            "title": {"type": "string", "enum": ["a", null, "title"], "examples": [{"title": null}]},
            "definitions": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "number"}]}},
            "$ref": {"type": "string", "const": "x"},
            "default": {"type": "object", "properties": {"exclusiveMinimum": {"type": "null"}}},
            "any": true
        },
        "default": {"title": null, "$ref": "#/nowhere"}
    });
    for id in [
        "google.gemini-2.5-pro",
        "xai.grok-4.3",
        "meta.llama-3.3-70b-instruct",
        "",
    ] {
        let sent =
            tool_parameters(map(schema.clone()), Quirks::of(id), &mut Budget::default()).unwrap();
        assert_eq!(text(&sent), schema.to_string(), "{id}");
    }
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
fn the_branch_that_is_not_null_is_picked() {
    for (from, expected) in [
        (
            json!({"description": "d", "anyOf": [{"type": "string", "description": "inner"}, {"type": "null"}], "default": "x"}),
            json!({"description": "d", "type": "string", "default": "x"}),
        ),
        (
            json!({"oneOf": [{"const": null}, {"enum": [null]}, {"type": "integer"}]}),
            json!({"type": "integer"}),
        ),
        (
            json!({"anyOf": [{"type": "string"}, {"type": "null"}, {"type": "integer"}]}),
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ),
        (
            json!({"anyOf": [{"anyOf": [{"type": "string"}, {"type": "null"}]}, {"type": "null"}]}),
            json!({"type": "string"}),
        ),
        (
            json!({"type": ["string", "null"], "enum": ["a", null]}),
            json!({"type": "string", "enum": ["a"]}),
        ),
        (
            json!({"type": ["null", "string", "number"]}),
            json!({"type": ["string", "number"]}),
        ),
        (
            json!({"items": {"anyOf": [{"type": "object", "properties": {"x": {"type": ["integer", "null"]}}}, {"type": "null"}]}}),
            json!({"items": {"type": "object", "properties": {"x": {"type": "integer"}}}}),
        ),
    ] {
        check(without_null, from, &expected);
    }
    for same in [
        json!({"anyOf": [{"type": "null"}, {"const": null}]}),
        json!({"type": ["null"]}),
        json!({"type": ["string"]}),
        json!({"type": "null"}),
        json!({"anyOf": [true, {"type": "string"}]}),
        json!({"enum": ["a", null]}),
    ] {
        check(without_null, same.clone(), &same);
    }
}

#[test]
fn an_only_branch_is_no_branch_unless_it_says_otherwise() {
    for (from, expected) in [
        (
            json!({"description": "d", "allOf": [{"type": "string", "description": "inner"}]}),
            json!({"description": "d", "type": "string"}),
        ),
        (
            json!({"anyOf": [{"type": "null"}]}),
            json!({"type": "null"}),
        ),
        (
            json!({"type": "object", "allOf": [{"type": "object", "properties": {"a": {}}}]}),
            json!({"type": "object", "properties": {"a": {}}}),
        ),
        (
            json!({"allOf": [{"allOf": [{"type": "string"}], "maxLength": 2}]}),
            json!({"type": "string", "maxLength": 2}),
        ),
    ] {
        check(without_null, from, &expected);
    }
    for same in [
        json!({"properties": {"a": {}}, "allOf": [{"properties": {"b": {}}}]}),
        json!({"allOf": [{"minLength": 1}, {"maxLength": 2}]}),
        json!({"allOf": [false]}),
        json!({"not": {"allOf": []}}),
    ] {
        check(without_null, same.clone(), &same);
    }
}

#[test]
fn what_may_be_null_may_be_left_out() {
    check(
        without_null,
        json!({"properties": {"a": {"type": ["string", "null"]}, "b": {"type": "string"}}, "required": ["a", "b"]}),
        &json!({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["b"]}),
    );
    check(
        without_null,
        json!({"anyOf": [{"properties": {"a": {"anyOf": [{"type": "null"}, {"type": "string"}]}}, "required": ["a"]}, {"type": "null"}]}),
        &json!({"properties": {"a": {"type": "string"}}}),
    );
}

#[test]
fn titles_and_null_defaults_go_and_properties_of_that_name_stay() {
    check(
        without_decoration,
        json!({"title": "T", "properties": {"title": {"title": "Title", "type": "string", "default": null},
            "default": {"type": "string", "default": ""}}, "required": ["title"]}),
        &json!({"properties": {"title": {"type": "string"}, "default": {"type": "string", "default": ""}},
            "required": ["title"]}),
    );
}

#[test]
fn arrays_say_what_they_hold() {
    check(
        with_items,
        json!({"type": "array", "items": {"type": "array"}}),
        &json!({"type": "array", "items": {"type": "array", "items": {}}}),
    );
    check(
        with_items,
        json!({"properties": {"a": {"type": ["array", "string"]}, "b": {"type": "array", "prefixItems": [{}]}}}),
        &json!({"properties": {"a": {"type": ["array", "string"], "items": {}}, "b": {"type": "array", "prefixItems": [{}]}}}),
    );
}

#[test]
fn exclusive_bounds_become_inclusive_ones_or_words() {
    for (from, expected) in [
        (
            json!({"type": "integer", "exclusiveMinimum": 0}),
            json!({"type": "integer", "minimum": 1}),
        ),
        (
            json!({"type": "integer", "minimum": 5, "exclusiveMinimum": 0, "exclusiveMaximum": 10}),
            json!({"type": "integer", "minimum": 5, "maximum": 9}),
        ),
        (
            json!({"type": "number", "exclusiveMinimum": 0, "description": "Scale."}),
            json!({"type": "number", "description": "Scale. Must be greater than 0."}),
        ),
        (
            json!({"type": "number", "minimum": 0, "exclusiveMaximum": 1.5}),
            json!({"type": "number", "minimum": 0, "description": "Must be less than 1.5."}),
        ),
        (
            json!({"type": "integer", "minimum": 0, "exclusiveMinimum": true, "exclusiveMaximum": false}),
            json!({"type": "integer", "minimum": 1}),
        ),
        (
            json!({"type": "integer", "exclusiveMaximum": i64::MIN}),
            json!({"type": "integer", "description": format!("Must be less than {}.", i64::MIN)}),
        ),
    ] {
        check(inclusive_bounds, from, &expected);
    }
}

#[test]
fn each_vendor_gets_its_own() {
    let schema = || {
        map(
            json!({"type": "object", "$defs": {"A": {"type": "string", "title": "A"}}, "required": ["a", "n"],
            "properties": {"a": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]},
                "n": {"type": "integer", "exclusiveMinimum": 0}}}),
        )
    };
    let whole = json!({"type": "object", "required": ["n"],
        "properties": {"a": {"type": "string"}, "n": {"type": "integer", "exclusiveMinimum": 0}}});
    let inclusive = json!({"type": "object", "required": ["n"],
        "properties": {"a": {"type": "string"}, "n": {"type": "integer", "minimum": 1}}});
    let tool = |quirks| tool_parameters(schema(), quirks, &mut Budget::default()).unwrap();
    let answer = |quirks| response_schema(schema(), quirks, &mut Budget::default()).unwrap();
    for id in [
        "xai.grok-4.3",
        "openai.gpt-5",
        "meta.llama-4-scout",
        "ocid1.generativeaiendpoint.x",
    ] {
        assert_eq!(Value::Object(tool(Quirks::of(id))), whole, "{id}");
    }
    assert_eq!(Value::Object(tool(google())), inclusive);
    assert_eq!(Value::Object(answer(google())), inclusive);
    assert_eq!(
        Value::Object(answer(Quirks::of("meta.llama-4-scout"))),
        whole
    );
    for id in ["xai.grok-4.3", "openai.gpt-5", "openai.gpt-oss-120b"] {
        assert_eq!(answer(Quirks::of(id)), schema(), "{id}");
    }
}
