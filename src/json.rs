//! What is asked of JSON beyond what serde_json does, and of nothing in particular. Halves of characters: JavaScript cuts strings by
//! UTF-16 units, and what it cuts in the middle of a character it writes as an escape without its other half: clients send that,
//! models say it, and serde_json takes neither. What a text takes in memory, whether pieces of one are whole, [texts](Text) that stay as
//! they were written, and [where](Fault) a value is wrong. Every room may use this.

mod piece;
mod text;

use serde::de::{Deserialize, DeserializeOwned};

pub(crate) use piece::{Fault, read as read_piece};
pub(crate) use text::Text;

/// What an object or a list takes in memory at most, with one value in it: places for several are made at once.
const CONTAINER_BYTES: usize = 512;
/// What each further value takes, with its name: lists and objects grow by doubling.
const VALUE_BYTES: usize = 192;

/// What the values of a JSON text take in memory at most, beside the text of their strings: `[[],[],` takes fifty times as
/// much as its text. Read in one pass; of what is no JSON it says something too.
pub(crate) fn memory_of_values(json: &[u8]) -> usize {
    let (mut memory, mut rest) = (0_usize, json);
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'"' => rest = behind_string(rest),
            b'{' | b'[' => memory = memory.saturating_add(CONTAINER_BYTES),
            b',' => memory = memory.saturating_add(VALUE_BYTES),
            _ => {}
        }
    }
    memory
}

/// What follows a string's last quotation mark. Strings are most of a large body, an image above all.
fn behind_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let is_end = rest.get(at) == Some(&b'"');
        rest = rest
            .get(at + if is_end { 1 } else { 2 }..)
            .unwrap_or_default();
        if is_end {
            return rest;
        }
    }
    &[]
}

/// An escape: `\u` and four hex digits.
const ESCAPE_BYTES: usize = 6;

/// As `serde_json::from_str`. With `from_str` itself a part of the program would be there twice, once for texts and once for bytes.
///
/// # Errors
/// What serde_json says of the text.
pub(crate) fn from_text<'de, T: Deserialize<'de>>(json: &'de str) -> serde_json::Result<T> {
    serde_json::from_slice(json.as_bytes())
}

/// As `serde_json::from_slice`, but a half of a character becomes U+FFFD. Costs nothing where there is none.
///
/// # Errors
/// What serde_json says of the text with whole characters, which has the places of the text as it was.
pub(crate) fn read<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(json).or_else(|error| match with_whole_characters(json) {
        Some(json) => serde_json::from_slice(&json),
        None => Err(error),
    })
}

/// The text with each escaped half of a character replaced, as long as before; `None` if there is none.
pub(crate) fn with_whole_characters(json: &[u8]) -> Option<Vec<u8>> {
    let mut whole = None;
    let mut at = 0;
    while let Some(found) = json
        .get(at..)
        .and_then(|rest| rest.iter().position(|byte| *byte == b'\\'))
    {
        at += found;
        at += match (unit(json, at), unit(json, at + ESCAPE_BYTES)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 2 * ESCAPE_BYTES,
            (Some(0xD800..=0xDFFF), _) => {
                let copy = whole.get_or_insert_with(|| json.to_vec());
                if let Some(escape) = copy.get_mut(at..at + ESCAPE_BYTES) {
                    escape.copy_from_slice(br"\ufffd");
                }
                ESCAPE_BYTES
            }
            (Some(_), _) => ESCAPE_BYTES,
            // Another escape; the second byte of `\\` begins none.
            (None, _) => 2,
        };
    }
    whole
}

/// The UTF-16 unit that an escape at this place stands for.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let escape = json.get(at..at.checked_add(ESCAPE_BYTES)?)?;
    let digits = std::str::from_utf8(escape.strip_prefix(br"\u")?).ok()?;
    // A sign is no digit, but the parser takes one.
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| u16::from_str_radix(digits, 16).ok()).flatten()
}

/// Tells whether the pieces seen so far are a complete JSON object or list, without keeping them.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    depth: u32,
    in_string: bool,
    escaped: bool,
    complete: bool,
    begun: bool,
}

impl Scan {
    pub(crate) fn push(&mut self, piece: &str) {
        self.begun |= !piece.trim_ascii().is_empty();
        for byte in piece.bytes() {
            self.push_byte(byte);
        }
    }

    fn push_byte(&mut self, byte: u8) {
        if self.escaped {
            self.escaped = false;
            return;
        }
        match (byte, self.in_string) {
            (b'\\', true) => self.escaped = true,
            (b'"', _) => self.in_string = !self.in_string,
            (b'{' | b'[', false) => self.depth = self.depth.saturating_add(1),
            (b'}' | b']', false) => {
                self.depth = self.depth.saturating_sub(1);
                self.complete = self.depth == 0;
            }
            _ => {}
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Nothing but white space so far.
    pub(crate) fn is_blank(&self) -> bool {
        !self.begun
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use serde_json::Value;

    use super::*;

    #[test]
    fn halves_of_characters_are_replaced_and_nothing_else() {
        for (json, expected) in [
            (r#""cut \ud83d""#, "cut \u{fffd}"),
            (r#""\udE00 cut""#, "\u{fffd} cut"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
            (r#""\ud83d\u0041""#, "\u{fffd}A"),
            (r#""\\ud83d \ud83d""#, "\\ud83d \u{fffd}"),
            (r#""\\\ud83d""#, "\\\u{fffd}"),
            (r#""😀 \ud83d\ude00 \" \\""#, "😀 😀 \" \\"),
        ] {
            let read: Value = read(json.as_bytes()).unwrap();
            assert_eq!(read, expected, "{json}");
        }
        for same in [
            r#""\\ud83d""#,
            r#""\ud83d\ude00""#,
            r#""\u00e9 \uD7FF \uE000""#,
            r#"{"a":1}"#,
            "",
            "\\",
        ] {
            assert_eq!(with_whole_characters(same.as_bytes()), None, "{same}");
        }
    }

    #[test]
    fn values_are_counted_and_the_text_of_strings_is_not() {
        for (json, containers, values) in [
            ("", 0, 0),
            ("1", 0, 0),
            ("[]", 1, 0),
            (r#"{"a":[1,2,3],"b":{}}"#, 3, 3),
            (r#"["[{,\",[{","\\",[]]"#, 2, 2),
        ] {
            let expected = containers * CONTAINER_BYTES + values * VALUE_BYTES;
            assert_eq!(memory_of_values(json.as_bytes()), expected, "{json}");
        }
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for json in [
            r#""\ud83d"#,
            r#"{"a":"\ud83d",}"#,
            r#""\ud8"#,
            r#""\u+123""#,
            "\\u",
        ] {
            assert!(read::<Value>(json.as_bytes()).is_err(), "{json}");
        }
    }
}
