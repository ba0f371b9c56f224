//! Anthropic's Messages API in the words of a chat, pure: its request becomes a [`ChatRequest`](crate::openai::chat::ChatRequest),
//! and the chat's answer its message, whole or as a stream of named events. Knows no sockets, clocks or accounts, and nothing of
//! OCI. Source: Anthropic's API reference, Messages, Count tokens, List models, Errors.

mod answer;
mod blocks;
pub(crate) mod count;
pub(crate) mod error;
#[cfg(test)]
mod fuzz;
pub(crate) mod models;
mod query;
pub(crate) mod render;
pub(crate) mod request;
mod stream;
#[cfg(test)]
mod tests;
mod tools;
mod turns;
