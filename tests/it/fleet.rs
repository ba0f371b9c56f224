//! Several accounts: who is asked in which order, what happens when some fail, and what the operator sees of it.

mod breaker;
mod embeddings;
mod failover;
mod health;
pub(crate) mod identities;
mod lacking;
mod lists;
mod metrics;
mod outage;
mod queue;
mod reload;
mod rerank;
mod site;
mod soak;
mod start;
mod stop;
mod throttled;
mod trial;
mod turns;
