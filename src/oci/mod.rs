//! The upstream edge.

pub(crate) mod error;
