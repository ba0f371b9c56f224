//! Readers for fields that clients write in more than one way. `null` is read as absent everywhere, an integer may be
//! written as `4000.0`. Each is a visitor and not an untagged enum, because an error must keep the place of the
//! field at fault. Knows no particular request.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// The largest integer that a double holds exactly, 2^53: above it `1e300` would silently become another number.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Fields of a request that are looked at by name. OpenAI knows 40.
const MAX_NAMES: usize = 100;

/// `null` as the type's default.
pub(crate) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// An integer, or a number without a fraction; `null` is `None`.
pub(crate) fn integer<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    Ok(Option::<Integer>::deserialize(from)?.map(|integer| integer.0))
}

/// A string or a list of strings; `null` is the empty list.
pub(crate) fn strings<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Strings>::deserialize(from)?.map_or_else(Vec::new, |strings| strings.0))
}

/// A string that holds JSON, or the JSON itself, which is then written as a string; `null` is `None`.
pub(crate) fn json_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<JsonText>::deserialize(from)?.map(|text| text.0))
}

/// The names of a JSON object's own fields, at most [`MAX_NAMES`]; none of anything else. Values are not kept.
pub(crate) fn names(json: &[u8]) -> Vec<String> {
    let mut from = serde_json::Deserializer::from_slice(json);
    from.deserialize_map(NamesVisitor).unwrap_or_default()
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
        let mut names = Vec::new();
        while let Some((name, _)) = map.next_entry::<String, IgnoredAny>()? {
            if names.len() < MAX_NAMES {
                names.push(name);
            }
        }
        Ok(names)
    }
}

struct Integer(i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(IntegerVisitor)
    }
}

struct IntegerVisitor;

impl Visitor<'_> for IntegerVisitor {
    type Value = Integer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Integer, E> {
        Ok(Integer(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Integer, E> {
        let integer = i64::try_from(value).map_err(|_| E::custom("the integer is too large"))?;
        Ok(Integer(integer))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Integer, E> {
        if value.fract() != 0.0 || value.abs() > MAX_EXACT {
            return Err(E::custom(format_args!("{value} is not an integer")));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and at most 2^53, checked above"
        )]
        Ok(Integer(value as i64))
    }
}

struct JsonText(String);

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(JsonTextVisitor)
    }
}

struct JsonTextVisitor;

impl<'de> Visitor<'de> for JsonTextVisitor {
    type Value = JsonText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string that holds a JSON object")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<JsonText, E> {
        Ok(JsonText(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<JsonText, E> {
        Ok(JsonText(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<JsonText, A::Error> {
        let object = Value::deserialize(MapAccessDeserializer::new(map))?;
        Ok(JsonText(object.to_string()))
    }
}

struct Strings(Vec<String>);

impl<'de> Deserialize<'de> for Strings {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(StringsVisitor)
    }
}

struct StringsVisitor;

impl<'de> Visitor<'de> for StringsVisitor {
    type Value = Strings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of strings")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Strings, E> {
        Ok(Strings(vec![value.to_owned()]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Strings, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Strings)
    }
}

/// A type that clients write either as a bare string or as an object.
pub(crate) trait StringOrObject<'de>: Sized {
    /// The object form.
    type Object: Deserialize<'de>;
    /// What was expected, for the error's text.
    const EXPECTED: &'static str;

    fn from_text<E: Error>(text: String) -> Result<Self, E>;
    fn from_object<E: Error>(object: Self::Object) -> Result<Self, E>;
}

/// Reads a [`StringOrObject`]; the `Deserialize` of such a type is this call.
pub(crate) fn string_or_object<'de, D: Deserializer<'de>, T: StringOrObject<'de>>(
    from: D,
) -> Result<T, D::Error> {
    from.deserialize_any(StringOrObjectVisitor(PhantomData))
}

struct StringOrObjectVisitor<T>(PhantomData<T>);

impl<'de, T: StringOrObject<'de>> Visitor<'de> for StringOrObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text.to_owned())
    }

    fn visit_string<E: Error>(self, text: String) -> Result<T, E> {
        T::from_text(text)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::from_object(T::Object::deserialize(MapAccessDeserializer::new(map))?)
    }
}
