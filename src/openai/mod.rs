//! What clients speak: OpenAI's types, and nothing but types.

pub(crate) mod body;
pub(crate) mod chat;
pub(crate) mod chunk;
pub(crate) mod embeddings;
pub(crate) mod error;
pub(crate) mod fields;
pub(crate) mod message;
pub(crate) mod models;
mod path;
pub(crate) mod render;
pub(crate) mod rerank;
pub(crate) mod tools;
