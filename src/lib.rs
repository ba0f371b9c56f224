//! ociai-proxy: the OpenAI API in front of Oracle Cloud (OCI) Generative AI.
#![allow(dead_code, unused_imports, reason = "rooms are being furnished")]

mod names;
mod oci;
mod openai;
mod translate;

pub fn run() {}
