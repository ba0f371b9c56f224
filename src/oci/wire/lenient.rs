//! Readers for OCI's answers, where a field of an unexpected type counts as absent: whether an answer can be used is
//! decided by what it holds, and never by a detail that nobody reads. Seen: `null` for anything, parts without their
//! text, `[]` for nothing. Source: reference §5.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Numbers above it lose digits as doubles, and no count comes near.
const MAX_COUNT: f64 = 9_007_199_254_740_992.0;

/// An object; anything else is the type's default.
pub(super) fn object<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(optional_object(from)?.unwrap_or_default())
}

/// An object; anything else is `None`.
pub(super) fn optional_object<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Object::deserialize(from)?.0)
}

/// The objects of a list; whatever else stands in it is skipped, and what is not a list has none.
pub(super) fn objects<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let items = from.deserialize_any(ListVisitor::<Object<T>>(PhantomData))?;
    Ok(items.into_iter().filter_map(|item| item.0).collect())
}

/// The objects of a list whose places matter: what is not an object stands as the type's default.
pub(super) fn objects_in_place<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    let items = from.deserialize_any(ListVisitor::<Object<T>>(PhantomData))?;
    Ok(items
        .into_iter()
        .map(|item| item.0.unwrap_or_default())
        .collect())
}

/// A list of numbers whose places matter: what is not a number stands as `None`.
pub(super) fn numbers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Option<f64>>, D::Error> {
    let items = from.deserialize_any(ListVisitor::<Scalar>(PhantomData))?;
    Ok(items.iter().map(Scalar::number).collect())
}

/// A list of strings whose places matter: what is not a string stands as the empty one.
pub(super) fn strings<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let items = from.deserialize_any(ListVisitor::<Scalar>(PhantomData))?;
    Ok(items
        .into_iter()
        .map(|item| item.text().unwrap_or_default())
        .collect())
}

/// How many items a list has, whatever they are; `None` of what is no list.
pub(super) fn length<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    from.deserialize_any(LengthVisitor)
}

/// A string, or a number as its text. The empty string is `None`: no field of an answer means anything by it.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Scalar::deserialize(from)?
        .text()
        .filter(|text| !text.is_empty()))
}

/// A whole number from 0, also as a string or as `4.0`.
pub(super) fn count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(Scalar::deserialize(from)?.count())
}

/// A string that holds JSON, or the JSON itself as such a string.
pub(super) fn json_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => Some(text),
        json @ (Value::Object(_) | Value::Array(_)) => Some(json.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    })
}

/// A value that may be a string or an object: an error's `message` is the one, an answer's the other.
#[derive(Debug)]
pub(crate) enum TextOr<T> {
    Text(String),
    Object(T),
}

/// `None` for what is neither a string nor an object, and for the empty string.
pub(super) fn text_or<'de, D, T>(from: D) -> Result<Option<TextOr<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    from.deserialize_any(TextOrVisitor(PhantomData))
}

/// What comes as a bare string or as a list of objects; nothing of anything else.
pub(super) enum TextOrList<T> {
    Text(String),
    List(Vec<T>),
}

pub(super) fn text_or_list<'de, D, T>(from: D) -> Result<TextOrList<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    from.deserialize_any(TextOrListVisitor(PhantomData))
}

enum Scalar {
    Text(String),
    Count(u64),
    Number(f64),
    Other,
}

impl Scalar {
    fn text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Count(count) => Some(count.to_string()),
            Self::Number(number) => Some(number.to_string()),
            Self::Other => None,
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Text(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            Self::Count(count) => u32::try_from(*count).ok().map(f64::from),
            Self::Number(number) => Some(*number),
            Self::Other => None,
        }
    }

    fn count(&self) -> Option<u64> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Count(count) => Some(*count),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "whole and in range, as the guard says"
            )]
            Self::Number(number) if number.fract() == 0.0 && (0.0..=MAX_COUNT).contains(number) => {
                Some(*number as u64)
            }
            Self::Number(_) | Self::Other => None,
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Scalar, E> {
        Ok(Scalar::Text(text))
    }

    fn visit_u64<E: Error>(self, count: u64) -> Result<Scalar, E> {
        Ok(Scalar::Count(count))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
        Ok(i32::try_from(number).map_or(Scalar::Other, |number| Scalar::Number(f64::from(number))))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Scalar, A::Error> {
        skip_list(list).map(|()| Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Scalar, A::Error> {
        skip_map(map).map(|()| Scalar::Other)
    }
}

/// Reads one thing and makes the visitor's empty value of the rest.
macro_rules! nothing_of {
    ($empty:expr; $($kind:ident($type:ty)),*) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("anything")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok($empty)
        }

        $(fn $kind<E: Error>(self, _: $type) -> Result<Self::Value, E> {
            Ok($empty)
        })*
    };
}

/// `Some` of an object, `None` of anything else.
struct Object<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    nothing_of!(Object(None); visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Object<T>, A::Error> {
        skip_list(list).map(|()| Object(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|object| Object(Some(object)))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    nothing_of!(Vec::new(); visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
        skip_map(map).map(|()| Vec::new())
    }
}

struct LengthVisitor;

impl<'de> Visitor<'de> for LengthVisitor {
    type Value = Option<usize>;

    nothing_of!(None; visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut length = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            length += 1;
        }
        Ok(Some(length))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        skip_map(map).map(|()| None)
    }
}

struct TextOrVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrVisitor<T> {
    type Value = Option<TextOr<T>>;

    nothing_of!(None; visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text)
            .filter(|text| !text.is_empty())
            .map(|text| TextOr::Text(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        skip_list(list).map(|()| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|object| Some(TextOr::Object(object)))
    }
}

struct TextOrListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrListVisitor<T> {
    type Value = TextOrList<T>;

    nothing_of!(TextOrList::List(Vec::new()); visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64));

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(TextOrList::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Self::Value, E> {
        Ok(TextOrList::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        objects(SeqAccessDeserializer::new(list)).map(TextOrList::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        skip_map(map).map(|()| TextOrList::List(Vec::new()))
    }
}

fn skip_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_map<'de, A: MapAccess<'de>>(mut map: A) -> Result<(), A::Error> {
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}
