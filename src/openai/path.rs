//! Which field a place in a JSON text belongs to: serde_json says where an error is by line and column, clients want to know
//! in what. Reads the text up to that place and not a byte more. Knows no particular request.

use std::fmt::Write as _;
use std::ops::Range;

/// A list or object that is open at the place.
enum Open {
    /// With the name, in quotes, whose value is being read; before a name, `None`.
    Object(Option<Range<usize>>),
    /// With the number of the value that is being read.
    List(usize),
}

/// The path of the value that ends at the place, holds it or begins at it: `messages[0].content`. `None` for the text as a whole.
///
/// `place` counts the bytes before it. What does not read as JSON gives some path, or none.
pub(super) fn path_at(json: &[u8], place: usize) -> Option<String> {
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while at < place {
        let mut next = at + 1;
        match json.get(at)? {
            b'{' => open.push(Open::Object(None)),
            b'[' => open.push(Open::List(0)),
            b'}' | b']' => {
                open.pop()?;
            }
            b',' => match open.last_mut()? {
                Open::Object(name) => *name = None,
                Open::List(number) => *number += 1,
            },
            b'"' => {
                next = end_of_string(json, at);
                if let Some(Open::Object(name @ None)) = open.last_mut()
                    && next < place
                {
                    *name = Some(at..next);
                }
            }
            _ => {}
        }
        at = next;
    }
    Some(written(json, &open)).filter(|path| !path.is_empty())
}

/// The place of a list that was refused at this one: some lists are opened before that, and then the place is behind the
/// bracket. Of a list in a list, both of which were wrong, it takes the inner one.
pub(super) fn of_list(json: &[u8], place: usize) -> usize {
    let (before, after) = json.split_at_checked(place).unwrap_or_default();
    match before.trim_ascii_end().strip_suffix(b"[") {
        Some(before) if !after.trim_ascii_start().starts_with(b"[") => before.len(),
        Some(_) | None => place,
    }
}

/// Where the string that begins here ends: behind its quote.
fn end_of_string(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    loop {
        match json.get(at) {
            Some(b'"') => return at + 1,
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
            None => return at,
        }
    }
}

fn written(json: &[u8], open: &[Open]) -> String {
    let mut path = String::new();
    for step in open {
        match step {
            Open::Object(None) => {}
            Open::Object(Some(name)) => {
                let name = json.get(name.clone()).unwrap_or_default();
                let dot = if path.is_empty() { "" } else { "." };
                let name: String = serde_json::from_slice(name).unwrap_or_default();
                path.push_str(dot);
                path.push_str(&name);
            }
            // Writing into memory does not fail.
            Open::List(number) => drop(write!(path, "[{number}]")),
        }
    }
    path
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    /// `^` stands before the place.
    fn check(marked: &str, expected: &str) {
        let place = marked.find('^').unwrap();
        let json = marked.replace('^', "");
        let path = path_at(json.as_bytes(), place).unwrap_or_default();
        assert_eq!(path, expected, "{marked}");
    }

    #[test]
    fn a_place_belongs_to_the_value_that_ends_there_or_begins() {
        for (marked, path) in [
            (r#"^{"a":1}"#, ""),
            (r#"{^"a":1}"#, ""),
            (r#"{"a"^:1}"#, ""),
            (r#"{"a":^1}"#, "a"),
            (r#"{"a":1^}"#, "a"),
            (r#"{"a":1,^"b":2}"#, ""),
            (r#"{"a":1}^"#, ""),
            (r#"{"a":[^{}]}"#, "a[0]"),
            (r#"{"a":[{}^]}"#, "a[0]"),
            (r#"{"a":[{},^7]}"#, "a[1]"),
            (r#"{"a":[{},7]^}"#, "a"),
            (r#"{"a":{"b":"}]\",{"^}}"#, "a.b"),
            (r#"{"a":{"b":{"c":1}}^}"#, "a"),
            (r#"{"a":{"b":{"c":1}^}}"#, "a.b"),
            (r#"{"\u0061\"":^1}"#, "a\""),
            (r#"[[1],[2^]]"#, "[1][0]"),
        ] {
            check(marked, path);
        }
    }

    #[test]
    fn a_list_is_found_from_behind_its_bracket() {
        for (marked, path) in [
            (r#"{"a":[^1]}"#, "a"),
            (r#"{"a":[ ^{}]}"#, "a"),
            (r#"{"a":[^[]]}"#, "a[0]"),
            (r#"{"a":^[]}"#, "a"),
        ] {
            let place = marked.find('^').unwrap();
            let json = marked.replace('^', "");
            let json = json.as_bytes();
            let found = path_at(json, of_list(json, place));
            assert_eq!(found.as_deref(), Some(path), "{marked}");
        }
    }

    #[test]
    fn what_is_no_json_ends() {
        for json in ["", "]", ",", "\"", "{\"a\\", "{\"a\":\"", "}}}", "[,,{,"] {
            for place in 0..json.len() + 9 {
                let _ = path_at(json.as_bytes(), of_list(json.as_bytes(), place));
            }
        }
    }
}
