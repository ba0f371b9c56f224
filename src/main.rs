//! Starts the program: no logic here.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(ociai_proxy::run(std::env::args_os()))
}
