//! A custom tool's input out of the arguments that a chat's model writes for it, `{"input":"…"}`, piece by piece: whoever waits for a
//! long patch sees it grow. A model that has not kept to that form has written the input itself.

use serde_json::Value;

use crate::json;

use super::tools::INPUT;

/// Bytes of an escape with four hex digits.
const UNIT_BYTES: usize = 6;

#[derive(Debug, Default)]
pub(super) struct Freeform {
    /// The arguments so far.
    held: String,
    /// Where in them the part of the input begins that was not told yet, once the input has begun.
    at: Option<usize>,
    has_ended: bool,
    /// The input so far.
    told: String,
}

impl Freeform {
    /// What a piece of the arguments adds to the input.
    pub(super) fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        self.at = self.at.or_else(|| begin(&self.held));
        let Some(at) = self.at.filter(|_| !self.has_ended) else {
            return String::new();
        };
        let rest = self.held.get(at..).unwrap_or_default();
        let length = whole_characters(rest);
        let next = rest.get(..length).unwrap_or_default();
        // Line breaks as they are make no JSON, and yet are meant.
        let text = json::read(format!("\"{next}\"").as_bytes()).unwrap_or_else(|_| next.to_owned());
        self.has_ended = rest.as_bytes().get(length) == Some(&b'"');
        self.at = Some(at + length);
        self.told.push_str(&text);
        text
    }

    /// The whole input, and what was not told of it.
    pub(super) fn end(self) -> (String, String) {
        let Self { held, told, .. } = self;
        let input = match json::read(held.as_bytes()) {
            Ok(Value::Object(mut object)) => match object.shift_remove(INPUT) {
                Some(Value::String(input)) => input,
                Some(other) => other.to_string(),
                None => held,
            },
            Ok(_) | Err(_) => held,
        };
        match input.strip_prefix(told.as_str()) {
            Some(rest) => {
                let rest = rest.to_owned();
                (input, rest)
            }
            // The arguments were cut.
            None => (told, String::new()),
        }
    }
}

/// Where the input begins, behind its quotation mark.
fn begin(arguments: &str) -> Option<usize> {
    let mut rest = arguments;
    for token in ["{", "\"", INPUT, "\"", ":", "\""] {
        let is_within = token == INPUT;
        let next = if is_within { rest } else { rest.trim_start() };
        rest = next.strip_prefix(token)?;
    }
    Some(arguments.len() - rest.len())
}

/// How much of a string's text, up to its end, can be read without what is to come: a cut escape cannot.
fn whole_characters(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        let length = match bytes.get(at) {
            None | Some(b'"') => return at,
            Some(b'\\') => match bytes.get(at + 1) {
                None => return at,
                // Of a pair both halves are one character.
                Some(b'u') => match (bytes.get(at + 2..at + 4), bytes.get(at + 6..at + 8)) {
                    (None, _) => return at,
                    (Some([b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B']), next) => {
                        match next {
                            None => return at,
                            Some(b"\\u") => 2 * UNIT_BYTES,
                            Some(_) => UNIT_BYTES,
                        }
                    }
                    (Some(_), _) => UNIT_BYTES,
                },
                Some(_) => 2,
            },
            Some(_) => 1,
        };
        if at + length > bytes.len() {
            return at;
        }
        at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In two pieces, cut at each place, and byte by byte.
    fn check(arguments: &str, expected: &str) {
        let cuts = arguments.char_indices().map(|(at, _)| vec![at]);
        let all = arguments.char_indices().map(|(at, _)| at).collect();
        for cuts in cuts.chain([all, Vec::new()]) {
            let mut freeform = Freeform::default();
            let (mut told, mut from) = (String::new(), 0);
            for to in cuts.iter().copied().chain([arguments.len()]) {
                told += &freeform.push(&arguments[from..to]);
                from = to;
            }
            let (input, rest) = freeform.end();
            assert_eq!(input, expected, "{arguments} {cuts:?}");
            assert_eq!(told + &rest, expected, "{arguments} {cuts:?}");
        }
    }

    #[test]
    fn an_input_is_told_as_it_comes() {
        for (arguments, input) in [
            (
                r#"{"input":"*** Begin\n+a \"b\"\\\n"}"#,
                "*** Begin\n+a \"b\"\\\n",
            ),
            (
                r#" { "input" : "é中🦀 \u00e9\ud83e\udd80" , "more": 1 } "#,
                "é中🦀 é🦀",
            ),
            (r#"{"input":""}"#, ""),
            ("{\"input\":\"a\nb\"}", "a\nb"),
            (
                r#"{"input":"\ud83dab\ud83d\n\udd80"}"#,
                "\u{fffd}ab\u{fffd}\n\u{fffd}",
            ),
            // Cut by a limit of tokens.
            (r#"{"input":"abc\"#, "abc"),
            (r#"{"input":"ab\u00"#, "ab"),
            // Another order, another form, none at all.
            (r#"{"why":"x","input":"y"}"#, "y"),
            (r#"{"input":7}"#, "7"),
            (r#"{"patch":"y"}"#, r#"{"patch":"y"}"#),
            ("*** Begin", "*** Begin"),
            ("", ""),
        ] {
            check(arguments, input);
        }
    }

    #[test]
    fn it_does_not_wait_for_the_end() {
        let mut freeform = Freeform::default();
        assert_eq!(freeform.push(r#"{"inp"#), "");
        assert_eq!(freeform.push(r#"ut":"on"#), "on");
        assert_eq!(freeform.push(r"e\"), "e");
        assert_eq!(freeform.push("n two"), "\n two");
    }
}
