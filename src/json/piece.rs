//! What is wrong with a value of a JSON text, and where. Also of one inside a piece that was taken out of the text as it was written and
//! read for itself.

use serde::de::{Deserialize, Error, IgnoredAny};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::from_text;

/// Begins and ends what an error inside a piece says of its place: serde has no other way for it through the reader of the whole.
const MARK: char = '\u{1}';
/// Of deeply nested JSON.
const TOO_DEEP: &str = "recursion limit";

/// Reads a piece as a part of the reading of the whole. Errors: for [`Fault::of`].
pub(crate) fn read<'de, T: Deserialize<'de>, E: Error>(piece: &'de RawValue) -> Result<T, E> {
    from_text(piece.get()).map_err(|error| {
        let (length, line, column) = (piece.get().len(), error.line(), column(&error));
        let why = why(&error);
        E::custom(format_args!("{MARK}{length} {line} {column}{MARK}{why}"))
    })
}

/// What is wrong with a value, and how many bytes into the text it was noticed, if that is known.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) why: String,
    pub(crate) place: Option<usize>,
}

impl Fault {
    /// `None` if the text is no JSON at all.
    pub(crate) fn of(json: &[u8], error: &serde_json::Error) -> Option<Self> {
        match error.classify() {
            Category::Data => {}
            Category::Eof | Category::Io => return None,
            Category::Syntax => {
                let too_deep = error.to_string().starts_with(TOO_DEEP);
                if too_deep || serde_json::from_slice::<IgnoredAny>(json).is_err() {
                    return None;
                }
            }
        }
        let mut why = why(error);
        let mut place = place_of(json, error.line(), column(error));
        while let Some(inside) = Inside::split(&why) {
            place = place.and_then(|place| inside.place(json, place));
            why = inside.why.to_owned();
        }
        Some(Self { why, place })
    }
}

/// An error inside a piece.
struct Inside<'a> {
    /// Bytes of the piece.
    length: usize,
    line: usize,
    column: usize,
    why: &'a str,
}

impl<'a> Inside<'a> {
    fn split(why: &'a str) -> Option<Self> {
        let (place, why) = why.strip_prefix(MARK)?.split_once(MARK)?;
        let mut numbers = place.split(' ').map(str::parse);
        let mut number = || numbers.next()?.ok();
        Some(Self {
            length: number()?,
            line: number()?,
            column: number()?,
            why,
        })
    }

    /// Where it is in the whole. `place`: where the whole's reader was, behind the piece, perhaps behind the end of what holds it too,
    /// or behind the comma that follows in a list.
    fn place(&self, json: &[u8], place: usize) -> Option<usize> {
        let read = json.get(..place)?.trim_ascii_end();
        let outer = read.split_last().filter(|(last, _)| b"}],".contains(last));
        let ends = [
            Some(read.len()),
            outer.map(|(_, before)| before.trim_ascii_end().len()),
        ];
        ends.into_iter().flatten().find_map(|end| {
            let start = end.checked_sub(self.length)?;
            let piece = json.get(start..end)?;
            serde_json::from_slice::<IgnoredAny>(piece).ok()?;
            Some(start + place_of(piece, self.line, self.column)?)
        })
    }
}

/// The text of an error without its place.
fn why(error: &serde_json::Error) -> String {
    let mut why = error.to_string();
    // Line and column help with syntax; with a field they only clutter.
    if let Some(end) = why.rfind(" at line ") {
        why.truncate(end);
    }
    // serde_json says the same of a wrong value for an enum as of broken JSON.
    if error.classify() == Category::Syntax && !why.starts_with(TOO_DEEP) {
        return "the value is of the wrong type".to_owned();
    }
    // Clients know no structs.
    if let Some(end) = why.rfind("expected struct ") {
        why.truncate(end);
        why.push_str("expected an object");
    }
    why
}

/// The bytes of its line before the place of an error.
fn column(error: &serde_json::Error) -> usize {
    match error.classify() {
        // What is reported as syntax was found one byte into the value.
        Category::Syntax => error.column().saturating_sub(1),
        Category::Data | Category::Eof | Category::Io => error.column(),
    }
}

/// The bytes before a place, from its line, from 1, and the bytes of that line before it.
fn place_of(json: &[u8], line: usize, column: usize) -> Option<usize> {
    let mut breaks = json.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let start = match line.checked_sub(2) {
        Some(earlier) => breaks.nth(earlier)?.0 + 1,
        None => 0,
    };
    Some(start + column)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use serde::Deserializer;

    use super::*;

    #[test]
    fn lines_are_counted_from_one() {
        let json = b"{\n \"a\": 1,\n\n \"b\": 2}";
        for (line, column, before) in [
            (1, 1, "{"),
            (2, 7, "{\n \"a\": 1"),
            (4, 6, "{\n \"a\": 1,\n\n \"b\": "),
        ] {
            let place = place_of(json, line, column);
            assert_eq!(place, Some(before.len()), "{line}:{column}");
        }
        assert_eq!(place_of(json, 9, 9), None);
    }

    /// A list whose items are read from their pieces.
    #[derive(Debug)]
    struct Outer {
        _list: Vec<Inner>,
    }

    #[derive(Debug)]
    struct Inner(#[expect(dead_code, reason = "only errors are looked at")] Vec<i64>);

    impl<'de> Deserialize<'de> for Outer {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let list = <&RawValue>::deserialize(from)?;
            read(list).map(|_list| Self { _list })
        }
    }

    impl<'de> Deserialize<'de> for Inner {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let list = <&RawValue>::deserialize(from)?;
            read(list).map(Self)
        }
    }

    /// `^` stands before the place.
    #[test]
    fn the_place_of_a_fault_is_found_through_pieces_in_pieces() {
        for (marked, why) in [
            (
                r#"{"a":7^}"#,
                "invalid type: integer `7`, expected a sequence",
            ),
            (
                r#"{"a": [[1], "x"^ ] }"#,
                "invalid type: string \"x\", expected a sequence",
            ),
            (
                r#"{"a":[[1],[2,"}]"^]]}"#,
                "invalid type: string \"}]\", expected i64",
            ),
            (
                r#"{"a":[["}"^,3] , [4]]}"#,
                "invalid type: string \"}\", expected i64",
            ),
            (
                r#"{"a":[[1], ^{} , [2]]}"#,
                "invalid type: map, expected a sequence",
            ),
            (
                "{\"b\":[],\n \"a\":\n[[1],\n\n[2,\n true^\n]]\n}",
                "invalid type: boolean `true`, expected i64",
            ),
            (r#"{"a":[[^{}]]}"#, "invalid type: map, expected i64"),
        ] {
            let place = marked.find('^').unwrap();
            let json = marked.replace('^', "");
            let read = serde_json::from_str::<std::collections::BTreeMap<String, Outer>>(&json);
            let fault = Fault::of(json.as_bytes(), &read.unwrap_err()).unwrap();
            let before = json.get(..fault.place.unwrap());
            assert_eq!((&*fault.why, before), (why, json.get(..place)), "{marked}");
        }
    }

    #[test]
    fn what_is_no_json_has_no_fault_in_a_value() {
        for json in ["", "{", "{\"a\":[}", "{\"a\":[[1],[tru]]}"] {
            let error = serde_json::from_str::<Outer>(json).unwrap_err();
            assert_eq!(Fault::of(json.as_bytes(), &error), None, "{json}");
        }
    }
}
