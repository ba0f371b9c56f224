//! One test for each thing that is removed, and one for all that stays.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test")]

use super::*;

pub(super) fn map(value: Value) -> Schema {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

pub(super) fn text(schema: &Schema) -> String {
    serde_json::to_string(schema).unwrap()
}

/// As text, so that the order of keys counts.
fn check(change: impl Fn(&mut Schema), from: Value, expected: &Value) {
    let mut schema = map(from);
    change(&mut schema);
    assert_eq!(text(&schema), expected.to_string());
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
            "$ref": {"type": "string", "pattern": "x"},
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
fn what_may_be_null_and_must_be_there_says_so() {
    check(
        without_null,
        json!({"properties": {"a": {"type": ["string", "null"]}, "b": {"type": "string"}}, "required": ["b"]}),
        &json!({"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["b"]}),
    );
    check(
        without_null,
        json!({"anyOf": [{"properties": {"a": {"anyOf": [{"type": "null"}, {"type": "string"}]}}, "required": ["a"]}, {"type": "null"}]}),
        &json!({"properties": {"a": {"type": "string", "description": "May be null."}}, "required": ["a"]}),
    );
    check(
        without_null,
        json!({"properties": {"a": {"type": ["string", "null"], "description": "Unit"},
            "b": {"anyOf": [{"type": "integer", "description": "Days."}, {"type": "null"}]},
            "c": {"allOf": [{"anyOf": [{"type": "string"}, {"type": "null"}]}], "description": "d"}}, "required": ["a", "b", "c"]}),
        &json!({"properties": {"a": {"type": "string", "description": "Unit. May be null."},
            "b": {"type": "integer", "description": "Days. May be null."},
            "c": {"type": "string", "description": "d. May be null."}}, "required": ["a", "b", "c"]}),
    );
}

#[test]
fn tidying_takes_time_by_size_only() {
    let count = 20_000;
    let names: Vec<_> = (0..count).map(|number| format!("p{number}")).collect();
    let properties: Schema = names
        .iter()
        .map(|name| (name.clone(), json!({"type": ["string", "null"]})))
        .collect();
    let mut schema = map(json!({"properties": properties, "required": names}));
    // Comparing each with each would be four hundred million times, and minutes.
    without_null(&mut schema);
    assert_eq!(text(&schema).matches("May be null.").count(), count);
}

#[test]
fn a_constant_is_the_only_value_of_an_enum_or_a_word() {
    check(
        enum_for_const,
        json!({"anyOf": [{"const": "a", "type": "string"}, {"const": 7, "description": "Lucky"}],
            "properties": {"const": {"type": "string"}}}),
        &json!({"anyOf": [{"type": "string", "enum": ["a"]}, {"description": "Lucky. Must be 7."}],
            "properties": {"const": {"type": "string"}}}),
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
    let whole = json!({"type": "object", "required": ["a", "n"],
        "properties": {"a": {"type": "string", "description": "May be null."}, "n": {"type": "integer", "exclusiveMinimum": 0}}});
    let inclusive = json!({"type": "object", "required": ["a", "n"],
        "properties": {"a": {"type": "string", "description": "May be null."}, "n": {"type": "integer", "minimum": 1}}});
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
