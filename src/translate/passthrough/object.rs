//! Changes fields of a JSON object and leaves every other byte of its text alone. Reads the text once; strings of megabytes are
//! looked over and not copied before the new text is written. Knows no particular object.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json;

/// Fields of an object. A request has tens.
const MAX_FIELDS: usize = 1024;

/// An object's text in pieces.
pub(super) struct Object<'a> {
    /// Up to the first field, with the brace.
    head: &'a str,
    fields: Vec<Field<'a>>,
    /// Behind the last field, with the brace.
    tail: &'a str,
    /// The texts of new fields.
    added: Vec<String>,
}

struct Field<'a> {
    /// What stands before it, with the comma.
    lead: &'a str,
    /// In quotes.
    name: &'a str,
    /// Between name and value.
    colon: &'a str,
    value: &'a str,
    renamed: Option<&'static str>,
    replaced: Option<String>,
    is_gone: bool,
}

impl<'a> Object<'a> {
    /// `None` for what is no object, has too many fields or two of a name.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        if !text.trim_ascii_start().starts_with('{') {
            return None;
        }
        let Pairs(pairs) = json::from_text(text).ok()?;
        let place = |part: &str| part.as_ptr().addr().checked_sub(text.as_ptr().addr());
        let mut fields: Vec<Field<'a>> = Vec::with_capacity(pairs.len());
        let open = text.find('{')? + 1;
        let mut at = open;
        for (name, value) in pairs {
            let (name, value) = (name.get(), value.get());
            let (from, to) = (place(name)?, place(value)?);
            fields.push(Field {
                lead: text.get(at..from)?,
                name,
                colon: text.get(from + name.len()..to)?,
                value,
                renamed: None,
                replaced: None,
                is_gone: false,
            });
            at = to + value.len();
        }
        let mut names: Vec<_> = fields.iter().map(Field::plain_name).collect();
        names.sort_unstable();
        let is_twice = names.windows(2).any(|pair| pair.first() == pair.last());
        (!is_twice).then_some(Self {
            head: text.get(..open)?,
            fields,
            tail: text.get(at..)?,
            added: Vec::new(),
        })
    }

    /// A field's text; `null` is no value.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.is(name))?;
        let value = field.replaced.as_deref().unwrap_or(field.value);
        (value != "null").then_some(value)
    }

    /// `value` is JSON. A field that is not there comes last.
    pub(super) fn set(&mut self, name: &'static str, value: String) {
        match self.fields.iter_mut().find(|field| field.is(name)) {
            Some(field) => field.replaced = Some(value),
            None => self.added.push(format!("\"{name}\":{value}")),
        }
    }

    /// `true`: it was there.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        let field = self.fields.iter_mut().find(|field| field.is(name));
        field.map(|field| field.is_gone = true).is_some()
    }

    /// `true`: it was there, and has a value.
    pub(super) fn rename(&mut self, name: &str, new: &'static str) -> bool {
        let mut fields = self.fields.iter_mut();
        let field = fields.find(|field| field.is(name) && field.value != "null");
        field.map(|field| field.renamed = Some(new)).is_some()
    }

    /// Its bytes.
    pub(super) fn write(&self) -> Vec<u8> {
        let kept = self.fields.iter().map(Field::most_bytes).sum::<usize>();
        let added = self.added.iter().map(|text| text.len() + 1).sum::<usize>();
        let mut text = Vec::with_capacity(self.head.len() + kept + added + self.tail.len());
        let mut put = |piece: &str| text.extend_from_slice(piece.as_bytes());
        put(self.head);
        let mut is_first = true;
        for field in self.fields.iter().filter(|field| !field.is_gone) {
            // What was not the first field begins with a comma.
            put(match field.lead.split_once(',') {
                Some((_, space)) if is_first => space,
                Some(_) | None => field.lead,
            });
            match field.renamed {
                Some(name) => ["\"", name, "\""].into_iter().for_each(&mut put),
                None => put(field.name),
            }
            put(field.colon);
            put(field.replaced.as_deref().unwrap_or(field.value));
            is_first = false;
        }
        for added in &self.added {
            put(if is_first { "" } else { "," });
            put(added);
            is_first = false;
        }
        put(self.tail);
        text
    }
}

impl Field<'_> {
    /// A name may be written with escapes.
    fn plain_name(&self) -> String {
        json::from_text(self.name).unwrap_or_default()
    }

    fn is(&self, name: &str) -> bool {
        if self.is_gone {
            return false;
        }
        if self.name.contains('\\') {
            return self.plain_name() == name;
        }
        self.name.trim_matches('"') == name
    }

    fn most_bytes(&self) -> usize {
        let value = self.replaced.as_deref().unwrap_or(self.value);
        let name = self.renamed.map_or(0, str::len) + self.name.len();
        self.lead.len() + name + self.colon.len() + value.len()
    }
}

/// Names and values as they are written.
struct Pairs<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    if pairs.len() == MAX_FIELDS {
                        return Err(A::Error::custom("too many fields"));
                    }
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        from.deserialize_map(Reader)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    fn check(text: &str, change: impl Fn(&mut Object<'_>), expected: &str) {
        let mut object = Object::read(text).unwrap();
        change(&mut object);
        let written = String::from_utf8(object.write()).unwrap();
        assert_eq!(written, expected, "{text}");
    }

    #[test]
    fn what_is_not_changed_keeps_every_byte() {
        for text in [
            "{}",
            " {\n}\r\n",
            r#"{"a":1}"#,
            "\t{ \"a\" :\t[1, 2.50e+1 ,{\"b\":\"}\\\"\"}]\n, \"é\\u0061\": \"\\ud83d\" } ",
        ] {
            check(text, |_| {}, text);
        }
    }

    #[test]
    fn fields_are_set_removed_and_renamed() {
        let text = r#"{"a": 1 ,"b":null, "c":{"a":2}}"#;
        check(
            text,
            |o| o.set("a", "7".into()),
            r#"{"a": 7 ,"b":null, "c":{"a":2}}"#,
        );
        check(
            text,
            |o| o.set("d", "7".into()),
            r#"{"a": 1 ,"b":null, "c":{"a":2},"d":7}"#,
        );
        check(
            text,
            |o| assert!(o.remove("a")),
            r#"{"b":null, "c":{"a":2}}"#,
        );
        check(text, |o| assert!(o.remove("b")), r#"{"a": 1, "c":{"a":2}}"#);
        check(text, |o| assert!(o.remove("c")), r#"{"a": 1 ,"b":null}"#);
        check(
            text,
            |o| {
                ["a", "b", "c"]
                    .iter()
                    .for_each(|name| assert!(o.remove(name)))
            },
            "{}",
        );
        check(
            text,
            |o| {
                assert!(o.remove("a") && o.remove("b") && o.remove("c") && !o.remove("a"));
                o.set("a", "7".into());
            },
            r#"{"a":7}"#,
        );
        check(
            text,
            |o| assert!(o.rename("a", "x")),
            r#"{"x": 1 ,"b":null, "c":{"a":2}}"#,
        );
        check(
            text,
            |o| assert!(!o.rename("b", "x") && !o.remove("x")),
            text,
        );
        check("{ }", |o| o.set("a", "7".into()), r#"{"a":7 }"#);
        check(
            r#"{"\u0061":1}"#,
            |o| o.set("a", "7".into()),
            r#"{"\u0061":7}"#,
        );
    }

    #[test]
    fn a_value_is_what_was_set_and_null_is_none() {
        let mut object = Object::read(r#"{"a":1,"b":null}"#).unwrap();
        assert_eq!(
            (object.get("a"), object.get("b"), object.get("c")),
            (Some("1"), None, None)
        );
        object.set("b", "2".to_owned());
        assert_eq!(object.get("b"), Some("2"));
    }

    #[test]
    fn what_is_no_plain_object_is_not_read() {
        let many: Vec<_> = (0..=MAX_FIELDS).map(|n| format!("\"f{n}\":1")).collect();
        let many = format!("{{{}}}", many.join(","));
        for text in [
            "",
            "[1]",
            "{",
            "{} x",
            r#"{"a":1,}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            &many,
        ] {
            assert!(Object::read(text).is_none(), "{text:.40}");
        }
    }
}
