//! ociai-proxy: the OpenAI API in front of Oracle Cloud (OCI) Generative AI.
//!
//! Two edges talk to the world: `http` to clients, `oci` upstream. Everything that decides is a pure core between them:
//! time, randomness and bytes come in as arguments, decisions go out as values. `dispatch` joins edges and cores.
//!
//! A streaming chat request, one thread after one hand-over, no callbacks:
//!
//! | # | step | room |
//! |---|---|---|
//! | 0 | the gate: head, guard, body, ticket, inner connection to tiny_http | `http` |
//! | 1 | `Listener::recv` gives the `Exchange` to a control thread | `http` |
//! | 2 | `Api::handle`: health, models and figures are answered here and never queue | `api` |
//! | 3 | `Workers::place`, `submit`: full means 503 at once; from here on a worker has it | `workers` |
//! | 4 | `chat::answer`: parse, resolve the model, `translate::request` -> `Job` | `api`, `translate` |
//! | 5 | `Dispatch::serve` -> `Slots::acquire` -> `Fleet::acquire`: a `Lease`, or wait in line | `dispatch`, `accounts` |
//! | 6 | `attempt::run` -> `Upstream::open`: envelope, signature, send, first event | `oci` |
//! | 7 | `Exchange::start_stream` is the commit: no other answer is possible afterwards | `http` |
//! | 8 | each event: `StreamTranslator::push` -> chunks -> `Render::chunks` -> `EventStream::send` | `translate`, `openai`, `http` |
//! | 9 | `EventStream::finish`, `Lease::settle`, one log line | `dispatch`, `api` |
//!
//! A request that fails before 7 goes back to 5: `verdict::judge` says what the failure means for the account and what may come
//! next, `Lease::settle` frees the slot and tells the fleet, `Journey::failed` decides whether there is another attempt, and the
//! fleet gives an account that was not tried, as long as there is one.
//!
//! A model that is asked through OCI's OpenAI-compatible API goes another way from 4 to 8: `translate::passthrough` changes a few
//! fields of the client's own text, `Dispatch::call` chooses the API, `Upstream::open_copied` sends it, and `copied` watches the
//! answer's bytes on their way to the client.
//!
//! Invariants: nobody behind the gate waits for a client's bytes; a ticket is answered by exactly one side; nothing is
//! repeated after the commit; a truncated answer never looks whole; no account has more calls than it allows, and a slot is
//! freed whatever happens to its worker; one lock, never held across I/O, decides who is next; every wait, buffer, queue and
//! thread has a bound with a name; a secret is never shown.
//!
//! Map: `cli` argv, `config` the file, `modes` who may read it, `self_check` what `-check` does, `init` what `-init` does, `logger`
//! the log, `life` signals and limits, `names` the newtypes, `crypto` ring or AWS-LC, `json` a forgiving reader, `cores` turns for
//! heavy work, `recent` percentiles, `systemd` what a service manager gives and hears, `accounts` the fleet: who can serve what,
//! `watch` the threads of the health checks and of the lists of models, `stats` the figures, `openai` what
//! clients speak, `messages` Anthropic's way to say the same, `responses` and `completions` OpenAI's other APIs that a chat answers,
//! `simulator` a fake OCI for `-demo` and the tests, `demo` the demo, `server` the wiring.

mod accounts;
mod api;
mod cli;
mod completions;
mod config;
mod cores;
mod crypto;
mod dates;
mod demo;
mod dispatch;
#[cfg(test)]
mod fuzz;
mod http;
mod init;
mod json;
mod life;
mod logger;
mod messages;
mod modes;
mod names;
mod oci;
mod openai;
#[doc(hidden)]
pub mod parts;
mod recent;
mod responses;
mod self_check;
mod server;
pub mod simulator;
mod stats;
mod systemd;
mod translate;
mod watch;
mod workers;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::TcpListener;
use std::time::Instant;

use log::LevelFilter;

use crate::cli::Cli;
use crate::config::Mode;
use crate::init::Given;
use crate::logger::Logger;
use crate::server::{Place, Server, Source};

/// Exit code for a start or a check that failed: a bad configuration, a key that does not load, a port in use, an account that is
/// refused.
const FAILED: u8 = 1;

/// Runs the program with the arguments that follow its name in `args`; returns its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let started = Instant::now();
    let cli = match cli::parse(args.into_iter().skip(1)) {
        Ok(cli) => cli,
        Err(exit) => {
            print(&exit.stdout);
            complain(exit.stderr.trim_end());
            return exit.code;
        }
    };
    // Of a check its answer is the output, and what the log could say is in it.
    let logger = Logger::start(if cli.check {
        LevelFilter::Error
    } else {
        LevelFilter::Info
    });
    life::raise_file_limit();
    let result = if let Some(given) = &cli.init {
        init(&cli, given).map(|()| true)
    } else if cli.check {
        check(&cli)
    } else {
        start(cli, logger, started).map(|()| true)
    };
    match result {
        Ok(true) => 0,
        Ok(false) => FAILED,
        Err(problems) => {
            for problem in problems {
                complain(&problem);
            }
            FAILED
        }
    }
}

/// `-check`: whether all is good.
fn check(cli: &Cli) -> Result<bool, Vec<String>> {
    let report = self_check::run(&source(cli))?;
    print(&report.to_string());
    Ok(report.is_good())
}

/// `-init`: a new configuration file.
fn init(cli: &Cli, given: &Given) -> Result<(), Vec<String>> {
    let source = source(cli);
    let written = init::run(given, &source.path, source.mode)?;
    print(&written);
    Ok(())
}

fn source(cli: &Cli) -> Source {
    Source {
        path: cli.config_path().to_owned(),
        mode: if cli.multi_account {
            Mode::Multi
        } else {
            Mode::Single
        },
    }
}

fn start(cli: Cli, logger: Logger, started: Instant) -> Result<(), Vec<String>> {
    let passed = systemd::passed_socket().map_err(|problem| vec![problem])?;
    if cli.demo {
        run_demo(cli, passed, logger, started)
    } else {
        serve(cli, passed, logger, started)
    }
}

fn serve(
    cli: Cli,
    passed: Option<TcpListener>,
    logger: Logger,
    started: Instant,
) -> Result<(), Vec<String>> {
    let source = source(&cli);
    let place = Place {
        host: cli.host,
        port: cli.port,
        passed,
    };
    Server::start(source, place, logger, started)?
        .run()
        .map_err(|error| vec![error.to_string()])
}

/// The same program in front of a simulated OCI that it starts itself.
fn run_demo(
    cli: Cli,
    passed: Option<TcpListener>,
    logger: Logger,
    started: Instant,
) -> Result<(), Vec<String>> {
    let demo =
        demo::prepare().map_err(|error| vec![format!("the demo cannot be prepared: {error}")])?;
    let source = Source {
        path: demo.config_path().to_owned(),
        mode: Mode::Multi,
    };
    let place = Place {
        host: cli.host,
        port: cli.port,
        passed,
    };
    let server = Server::start(source, place, logger, started)?;
    print(&demo.banner(&format!("http://localhost:{}", server.port())));
    server.run().map_err(|error| vec![error.to_string()])
}

/// To standard output. That it is closed is no reason to stop.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// One line to standard error, without the log's date: it is for who started the program.
fn complain(line: &(impl Display + ?Sized)) {
    let line = line.to_string();
    if !line.is_empty() {
        let _ = writeln!(io::stderr(), "{line}");
    }
}
