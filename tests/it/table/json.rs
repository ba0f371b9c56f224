//! Bodies that arrive whole: JSON that is none, nested, enormous, or asks for much with little.

use serde_json::{Value, json};

use super::Row;
use crate::hostile::chat_head;

fn post(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = chat_head(&format!("Content-Length: {}\r\n", body.len()));
    [head.as_bytes(), body].concat()
}

fn refused(name: &str, body: impl AsRef<[u8]>) -> Row {
    Row::answered(name, post(body), 400)
}

fn served(name: &str, body: impl AsRef<[u8]>) -> Row {
    Row::answered(name, post(body), 200).chats(1)
}

/// A chat with a further field, written by hand.
fn with(field: &str) -> String {
    format!(r#"{{"model":"grok","messages":[{{"role":"user","content":"x"}}],{field}}}"#)
}

/// A chat that says `text`, already escaped.
fn says(text: &str) -> String {
    format!(r#"{{"model":"grok","messages":[{{"role":"user","content":"{text}"}}]}}"#)
}

fn with_schema(schema: &Value) -> String {
    with(&format!(
        r#""tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}]"#
    ))
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = no_json();
    rows.extend(nesting());
    rows.extend(numbers());
    rows.extend(texts());
    rows.extend(masses());
    rows.extend(schemas());
    rows
}

fn no_json() -> Vec<Row> {
    [
        ("null", "null"),
        ("a list", "[]"),
        (
            "a list of the fields' values",
            r#"["grok",[{"role":"user","content":"x"}]]"#,
        ),
        ("an empty object", "{}"),
        ("a text", "\"x\""),
        ("a number", "1"),
        ("true", "true"),
        ("white space", " \r\n\t "),
        ("NUL", "\0"),
        ("half an object", r#"{"model":"grok","#),
        ("a comma too many", r#"{"model":"grok","messages":[],}"#),
        ("a form", "model=grok&messages=x"),
        (
            "XML",
            "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"a\">]><x>&a;</x>",
        ),
        ("a comment", "/* x */ {}"),
        ("single quotes", "{'model':'grok'}"),
        ("NaN", r#"{"model":NaN}"#),
        (
            "a prototype",
            r#"{"__proto__":{"model":"grok"},"constructor":{"messages":[]}}"#,
        ),
    ]
    .into_iter()
    .map(|(name, body)| refused(name, body))
    .chain([
        refused("two bodies in one", says("x").repeat(2)),
        refused("a chat with something behind it", says("x") + "x"),
        refused("a byte-order mark", "\u{feff}".to_owned() + &says("x")),
        refused(
            "a chat in UTF-16",
            says("x")
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<u8>>(),
        ),
        refused("gzip", [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]),
        refused("a field twice", with(r#""model":"gemini""#)),
        refused("a name of a field with a NUL", with("\"a\0b\":1")),
        served("an unknown field twice", with(r#""x":1,"x":2"#)),
        served("a field without a name", with(r#""":1"#)),
    ])
    .collect()
}

fn nesting() -> Vec<Row> {
    let mut rows = Vec::new();
    for depth in [10_000, 100_000] {
        for (what, open, close) in [("lists", "[", "]"), ("objects", "{\"a\":", "}")] {
            let bomb = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let name = |place: &str| format!("{depth} {what} {place}");
            rows.push(refused(&name("as the body"), &bomb));
            rows.push(refused(&name("that never close"), open.repeat(depth)));
            // Nobody keeps those, and going past them takes no stack.
            rows.push(served(
                &name("in an unknown field"),
                with(&format!(r#""x":{bomb}"#)),
            ));
            rows.push(refused(
                &name("in an unknown field, and a wrong one"),
                with(&format!(r#""x":{bomb},"max_tokens":true"#)),
            ));
            rows.push(refused(
                &name("as messages"),
                format!(r#"{{"model":"grok","messages":{bomb}}}"#),
            ));
            rows.push(refused(
                &name("in a schema"),
                with(&format!(
                    r#""tools":[{{"function":{{"name":"f","parameters":{{"a":{bomb}}}}}}}]"#
                )),
            ));
            let arguments = Value::String(bomb).to_string();
            let call = format!(
                r#"{{"id":"c","type":"function","function":{{"name":"f","arguments":{arguments}}}}}"#
            );
            let messages = format!(
                r#"{{"model":"grok","messages":[{{"role":"user","content":"x"}},{{"role":"assistant","tool_calls":[{call}]}}]}}"#
            );
            rows.push(served(&name("in a call's arguments"), messages));
        }
    }
    rows
}

fn numbers() -> Vec<Row> {
    [
        ("a number beyond all", r#""temperature":1e999"#),
        (
            "a number with 10,000 digits",
            &format!(r#""max_tokens":{}"#, "9".repeat(10_000)),
        ),
        (
            "more tokens than 64 bits",
            r#""max_tokens":99999999999999999999"#,
        ),
        (
            "an exponent without measure",
            r#""seed":1e99999999999999999999"#,
        ),
        ("half a token", r#""max_tokens":1.5"#),
        ("negative tokens", r#""max_tokens":-1"#),
        ("no tokens", r#""max_tokens":0"#),
        ("a hundred thousand choices", r#""n":100000"#),
        ("a number in hex", r#""seed":0x10"#),
        ("a number with a leading zero", r#""seed":010"#),
        ("a number that is a word", r#""max_tokens":"many""#),
        ("a switch that is a number", r#""stream":1"#),
    ]
    .into_iter()
    .map(|(name, field)| refused(name, with(field)))
    .collect()
}

fn texts() -> Vec<Row> {
    let invalid = says("INVALID").into_bytes();
    let at = invalid.windows(7).position(|at| at == b"INVALID").unwrap();
    let cut = |bytes: &[u8]| {
        let mut body = invalid.clone();
        body.splice(at..at + 7, bytes.iter().copied());
        body
    };
    vec![
        refused("a byte that is no UTF-8", cut(b"\xff")),
        refused("a character that is too long", cut(b"\xc0\xaf")),
        refused("half of a character, encoded", cut(b"\xed\xa0\x80")),
        refused("a character that is cut", cut(b"\xf0\x9f\x98")),
        refused("a NUL in a text", cut(b"\0")),
        refused("a line break in a text", cut(b"\n")),
        refused("an escape that is none", says("\\x41")),
        refused("an escape that is cut", says("\\u12")),
        served("half of a character, escaped", says("\\ud83d")),
        served("the wrong half first", says("\\ude00\\ud83d")),
        served("a NUL, escaped", says("\\u0000")),
        served("a text of 1 MB", says(&"a".repeat(1_000_000))),
        served(
            "a text of 1 MB of escapes",
            says(&"\\u0041".repeat(170_000)),
        ),
        served("a text of 1 MB of quotes", says(&"\\\"".repeat(500_000))),
        refused(
            "a model of 1 MB",
            says("x").replace("grok", &"m".repeat(1_000_000)),
        ),
        refused(
            "a role of 1 MB",
            says("x").replace("user", &"u".repeat(1_000_000)),
        ),
        refused(
            "a name of a field of 1 MB in a wrong place",
            with(&format!(
                r#""max_tokens":{{"{}":1}}"#,
                "a".repeat(1_000_000)
            )),
        ),
        served(
            "an unknown field of 1 MB",
            with(&format!(r#""{}":1"#, "a".repeat(1_000_000))),
        ),
        served("white space of 1 MB", says("x") + &" ".repeat(1_000_000)),
    ]
}

/// Little text that takes much memory: refused before it is read, if it would take more than there is.
fn masses() -> Vec<Row> {
    let list = |item: &str, times: usize| format!("[{}{item}]", format!("{item},").repeat(times));
    let large =
        |name: &str, body: String| Row::answered(name, post(body), 413).code("request_too_large");
    vec![
        large(
            "a million empty messages",
            format!(r#"{{"model":"grok","messages":{}}}"#, list("{}", 1_000_000)),
        ),
        large(
            "a million empty lists in a schema",
            with_schema(&json!({"enum": vec![json!([]); 1_000_000]})),
        ),
        large(
            "a million numbers in a schema",
            with_schema(&json!({"enum": vec![0; 1_000_000]})),
        ),
        large(
            "a million stops",
            with(&format!(r#""stop":{}"#, list("\"\"", 1_000_000))),
        ),
        refused(
            "ten thousand empty messages",
            format!(r#"{{"model":"grok","messages":{}}}"#, list("{}", 10_000)),
        ),
        refused(
            "ten thousand tools without names",
            with(&format!(r#""tools":{}"#, list("{}", 10_000))),
        ),
    ]
}

fn schemas() -> Vec<Row> {
    let mut doubling = json!({ "d0": { "type": "string" } });
    for level in 1..64 {
        let below = json!({ "$ref": format!("#/$defs/d{}", level - 1) });
        doubling[format!("d{level}")] = json!({ "properties": { "a": below, "b": below } });
    }
    let refs = vec![json!({ "$ref": "#/$defs/a" }); 5_000];
    let of_empty = |what: Value| json!({ "$defs": { "a": { "anyOf": vec![what; 5_000] } }, "type": "object", "allOf": refs });
    vec![
        refused(
            "references that double",
            with_schema(&json!({ "$defs": doubling, "$ref": "#/$defs/d63" })),
        ),
        refused(
            "references to many empty schemas",
            with_schema(&of_empty(json!({}))),
        ),
        refused(
            "references to many empty lists",
            with_schema(&of_empty(json!([]))),
        ),
        served(
            "a reference to itself",
            with_schema(&json!({ "type": "object", "properties": { "a": { "$ref": "#" } } })),
        ),
        served(
            "references in a circle",
            with_schema(
                &json!({ "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "$ref": "#/$defs/a" } }, "type": "object", "properties": { "x": { "$ref": "#/$defs/a" } } }),
            ),
        ),
        served(
            "a reference to a file",
            with_schema(
                &json!({ "type": "object", "properties": { "a": { "$ref": "file:///etc/passwd" } } }),
            ),
        ),
        served(
            "a reference to another host",
            with_schema(
                &json!({ "type": "object", "properties": { "a": { "$ref": "http://169.254.169.254/opc/v2" } } }),
            ),
        ),
        served(
            "a schema of 1 MB",
            with_schema(
                &json!({ "type": "object", "description": "d".repeat(1_000_000), "properties": {} }),
            ),
        ),
    ]
}
