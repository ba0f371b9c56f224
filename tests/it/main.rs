//! The built program as a black box: started as its users start it, in front of the simulator, and looked at through its
//! sockets, its log and its exit code. Servers bind port 0 on loopback; every wait is for a condition, with a deadline.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail, and prints what it measured"
)]

mod chat;
mod chat_fields;
mod cohere;
mod completions;
mod dashboard;
mod discovery;
mod endpoints;
mod faults;
mod fleet;
mod harness;
mod hostile;
mod hostile_bodies;
mod hostile_connections;
mod hostile_heads;
mod hostile_leaving;
mod hostile_queue;
mod hostile_resources;
mod idle;
#[cfg(unix)]
mod kill;
mod life;
mod logs;
mod matrix;
mod messages;
mod openai_path;
mod param_repair;
mod prometheus;
mod responses;
mod secrets;
mod smoke;
#[cfg(target_os = "linux")]
mod soak;
mod start;
mod stream;
mod table;
mod tidy;
mod vendor_errors;
