//! A string on its way from one JSON text into another. It stays as it was written there, escapes and all, until somebody wants to
//! know what it says: most of a large request are texts that nobody here reads.

use std::borrow::Cow;
use std::iter;

use memchr::memmem;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::{from_text, piece};

/// A string, read or as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Text(Form);

#[derive(Debug, Clone)]
enum Form {
    Read(String),
    /// A JSON string, in its quotation marks. None of its escapes is one by number, so that it has no halves of characters.
    Written(Box<RawValue>),
}

impl Text {
    /// Of a JSON value. Errors: it is no string, or has a half of a character.
    pub(crate) fn of<E: Error>(value: Box<RawValue>) -> Result<Self, E> {
        let json = value.get().as_bytes();
        if json.starts_with(b"\"") && memmem::find(json, b"\\u").is_none() {
            Ok(Self(Form::Written(value)))
        } else {
            piece::read(&value).map(|text| Self(Form::Read(text)))
        }
    }

    /// What it says.
    pub(crate) fn read(&self) -> Cow<'_, str> {
        match &self.0 {
            Form::Read(text) => Cow::Borrowed(text),
            Form::Written(json) => read(json),
        }
    }

    pub(crate) fn into_string(self) -> String {
        match self.0 {
            Form::Read(text) => text,
            Form::Written(json) => read(&json).into_owned(),
        }
    }

    /// Several as one, with `between` between them. One alone stays as it was written.
    pub(crate) fn joined(texts: impl IntoIterator<Item = Self>, between: &str) -> Self {
        let mut texts = texts.into_iter();
        let first = texts.next().unwrap_or_default();
        let Some(second) = texts.next() else {
            return first;
        };
        let mut joined = first.into_string();
        for text in iter::once(second).chain(texts) {
            joined.push_str(between);
            joined.push_str(&text.read());
        }
        joined.into()
    }

    pub(crate) fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Read(text) => text.is_empty(),
            Form::Written(json) => inside(json).is_empty(),
        }
    }

    /// Whether it is white space and nothing else. What was read is looked through from its end: texts that are joined to one
    /// another may begin with any amount of white space, which would be looked through with each further one, but end in words.
    pub(crate) fn is_blank(&self) -> bool {
        match &self.0 {
            Form::Read(text) => text.trim_end().is_empty(),
            Form::Written(json) => {
                let begins = inside(json).trim_start();
                // A word that begins with an escape is a rare one.
                begins.is_empty() || begins.starts_with('\\') && read(json).trim_start().is_empty()
            }
        }
    }

    /// Bytes of its text, or of its JSON.
    pub(crate) fn long_bytes(&self) -> usize {
        match &self.0 {
            Form::Read(text) => text.len(),
            Form::Written(json) => json.get().len(),
        }
    }
}

/// What stands between the quotation marks.
fn inside(json: &RawValue) -> &str {
    let json = json.get();
    json.get(1..json.len().saturating_sub(1))
        .unwrap_or_default()
}

fn read(json: &RawValue) -> Cow<'_, str> {
    let inside = inside(json);
    if memchr::memchr(b'\\', inside.as_bytes()).is_none() {
        return Cow::Borrowed(inside);
    }
    // It was looked at when it was taken out of its JSON, and there it was a string.
    Cow::Owned(from_text(json.get()).unwrap_or_default())
}

impl Default for Text {
    fn default() -> Self {
        Self::from(String::new())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Form::Read(text))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(from).and_then(Self::of)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Read(text) => text.serialize(to),
            Form::Written(json) => json.serialize(to),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test")]
    use super::*;

    fn text(json: &str) -> Text {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_text_is_what_its_json_says_and_is_written_as_it_was() {
        for (json, says) in [
            (r#""""#, ""),
            (r#""plain é😀""#, "plain é😀"),
            (
                r#""two\nlines \"quoted\" \\ \/""#,
                "two\nlines \"quoted\" \\ /",
            ),
            (r#""C:\\users""#, "C:\\users"),
        ] {
            let read = text(json);
            assert_eq!(read.read(), says, "{json}");
            assert_eq!(read.is_empty(), says.is_empty(), "{json}");
            assert_eq!(serde_json::to_string(&read).unwrap(), json);
            let again = Text::from(read.into_string());
            let written = serde_json::to_string(&again).unwrap();
            assert_eq!(text(&written).read(), says, "{json}");
        }
    }

    #[test]
    fn escapes_by_number_are_read_and_halves_of_characters_refused() {
        let read = text(r#""\u00e9\ud83d\ude00""#);
        assert_eq!(serde_json::to_string(&read).unwrap(), "\"é😀\"");
        assert!(serde_json::from_str::<Text>(r#""\ud83d""#).is_err());
    }

    #[test]
    fn white_space_alone_is_blank_however_it_is_written() {
        for (json, blank) in [
            (r#""""#, true),
            (r#"" \n\t\r\n ""#, true),
            (r#""\u00a0 \u2003""#, true),
            ("\"\u{a0}\\n\u{2003}\"", true),
            (r#"" \n a""#, false),
            (r#""\"""#, false),
            (r#""\\n""#, false),
            (r#""a \n""#, false),
        ] {
            assert_eq!(text(json).is_blank(), blank, "{json}");
            assert_eq!(Text::from(text(json).into_string()).is_blank(), blank);
        }
    }

    #[test]
    fn texts_are_joined_and_one_stays_as_it_was() {
        let [one, two] = [r#""a\/""#, r#""\"b""#].map(text);
        let joined = |texts: &[Text]| Text::joined(texts.iter().cloned(), ", ");
        assert_eq!(joined(&[]).read(), "");
        let alone = serde_json::to_string(&joined(std::slice::from_ref(&one))).unwrap();
        assert_eq!(alone, r#""a\/""#);
        assert_eq!(joined(&[one.clone(), two, one]).read(), "a/, \"b, a/");
    }

    #[test]
    fn what_is_no_string_is_no_text() {
        for json in [
            "5",
            "null",
            "[]",
            "{}",
            "true",
            "\"a\u{1}\"",
            r#""\x""#,
            r#""a"#,
        ] {
            assert!(serde_json::from_str::<Text>(json).is_err(), "{json}");
        }
        assert!(serde_json::from_slice::<Text>(b"\"\xff\"").is_err());
    }
}
