//! Hard to kill: stops and reloads under load, and what is lost by them.

mod load;
mod reload;
mod stop;
