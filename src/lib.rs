//! ociai-proxy: the OpenAI API in front of Oracle Cloud (OCI) Generative AI.
#![allow(dead_code, unused_imports, reason = "rooms are being furnished")]

mod accounts;
mod api;
mod cli;
mod config;
mod demo;
mod dispatch;
mod http;
mod names;
mod oci;
mod openai;
pub mod simulator;
mod translate;
mod workers;

pub fn run() {}
