//! The content of messages as clients send it: a string, or a list of blocks. Flat, with every field optional; which block may
//! stand where is for `turns`. What is about Anthropic's cache or citations is not read.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::json::Text;
use crate::openai::fields::{self, StringOrObject};

#[derive(Debug)]
pub(super) enum Content {
    Text(Text),
    Blocks(Vec<Block>),
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Block {
    #[serde(default, rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) text: Option<Text>,
    /// Of a `tool_use`.
    #[serde(default)]
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) name: Option<String>,
    /// A JSON object, kept as text.
    #[serde(default, deserialize_with = "fields::json_text")]
    pub(super) input: Option<String>,
    /// Of a `tool_result`: the call that it is the result of.
    #[serde(default)]
    pub(super) tool_use_id: Option<String>,
    #[serde(default)]
    pub(super) is_error: Option<bool>,
    /// Of a `tool_result` or a `search_result`.
    #[serde(default)]
    pub(super) content: Option<Content>,
    /// Of an image, a document or a `search_result`.
    #[serde(default)]
    pub(super) source: Option<Source>,
    #[serde(default)]
    pub(super) title: Option<String>,
    /// What a document is about.
    #[serde(default)]
    pub(super) context: Option<String>,
    /// Of a `tool_reference`.
    #[serde(default)]
    pub(super) tool_name: Option<String>,
}

/// Where an image or a document is; of a `search_result` its bare address.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) kind: Option<String>,
    pub(super) media_type: Option<String>,
    /// Base64, or plain text.
    pub(super) data: Option<String>,
    pub(super) url: Option<String>,
    pub(super) content: Option<Content>,
}

#[derive(Deserialize)]
pub(super) struct SourceObject {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    data: Option<String>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    content: Option<Content>,
}

impl<'de> StringOrObject<'de> for Source {
    type Object = SourceObject;
    const EXPECTED: &'static str = "an object that says where it is";

    fn from_text<E: Error>(url: String) -> Result<Self, E> {
        Ok(Self {
            url: Some(url),
            ..Self::default()
        })
    }

    fn from_object<E: Error>(object: SourceObject) -> Result<Self, E> {
        Ok(Self {
            kind: object.kind,
            media_type: object.media_type,
            data: object.data,
            url: object.url,
            content: object.content,
        })
    }
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        fields::string_or_object(from)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of content blocks")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Content, E> {
        Ok(Content::Text(text.to_owned().into()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Content, E> {
        Ok(Content::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Content, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Content::Blocks)
    }

    /// One block without its list: what server tools have for a result.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Content, A::Error> {
        let block = Block::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Content::Blocks(vec![block]))
    }
}
