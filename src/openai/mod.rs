//! What clients speak: OpenAI's types, and nothing but types.

pub(crate) mod error;
