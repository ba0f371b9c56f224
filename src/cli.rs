//! The command line: argv in, `Cli` or an `Exit` out. Pure: prints nothing, reads no file and no environment. Knows nothing of
//! what the flags start. Follows the specification's §1.
//!
//! argh knows long options with two dashes only. So argv is rewritten first: `-port=9000` becomes `--port 9000`. A value is
//! never rewritten, even if it begins with a dash.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use argh::FromArgs;

use crate::http::{DEFAULT_HOST, DEFAULT_PORT};

const DEFAULT_CONFIG: &str = "config.conf";
const DEFAULT_MULTI_CONFIG: &str = "multi_config.conf";

const PROGRAM: &str = "ociai-proxy";
/// A wrong command line, as most Unix programs have it.
const USAGE_ERROR: u8 = 2;
/// Flags that the next argument belongs to, unless a value follows after `=`.
const WITH_VALUE: [&str; 3] = ["config", "host", "port"];
const SWITCHES: [&str; 4] = ["check", "demo", "multi-account", "version"];

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cli {
    /// Name or address to listen on; `DEFAULT_HOST` if not given.
    pub(crate) host: String,
    /// 0: any free port. `DEFAULT_PORT` if not given.
    pub(crate) port: u16,
    /// As given; `config_path` has the default.
    pub(crate) config: Option<PathBuf>,
    pub(crate) multi_account: bool,
    pub(crate) demo: bool,
    pub(crate) check: bool,
}

/// The program ends here: `code` for the shell, and what to print first. Both texts are empty or end with a line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) code: u8,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

// The usage text comes from here. Each description fits one line of it: a second one would be indented for two dashes.
/// Offers the OpenAI API in front of Oracle Cloud (OCI) Generative AI, with one account or with many.
#[derive(FromArgs)]
#[argh(help_triggers("-h", "--help"))]
struct Flags {
    /// port to listen on (default 8080; 0: any free one)
    #[argh(option, arg_name = "N", from_str_fn(port))]
    port: Option<u16>,

    /// configuration file (config.conf or multi_config.conf)
    #[argh(option, arg_name = "FILE", from_str_fn(non_empty))]
    config: Option<String>,

    /// the file is a multi-account one
    #[argh(switch)]
    multi_account: bool,

    /// address to listen on (default 0.0.0.0: all interfaces)
    #[argh(option, arg_name = "ADDR", from_str_fn(non_empty))]
    host: Option<String>,

    /// needs no account: starts a simulated OCI to talk to
    #[argh(switch)]
    demo: bool,

    /// check file, keys, clock and accounts, and end
    #[argh(switch)]
    check: bool,

    /// print the version
    #[argh(switch)]
    version: bool,
}

/// Reads the arguments that follow the program's name.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, Exit> {
    let args = rewrite(args).map_err(|wrong| usage_error(&wrong))?;
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let flags = Flags::from_args(&[PROGRAM], &args).map_err(|exit| match exit.status {
        Ok(()) => Exit::printing(usage()),
        Err(()) => usage_error(&first_flag_with_one_dash(&exit.output)),
    })?;
    if flags.version {
        return Err(Exit::printing(format!(
            "{PROGRAM} {}\n",
            env!("CARGO_PKG_VERSION")
        )));
    }
    if flags.demo && flags.config.is_some() {
        return Err(usage_error(
            "-demo makes a configuration of its own: leave -config out",
        ));
    }
    if flags.demo && flags.check {
        return Err(usage_error(
            "-demo makes accounts of its own, which need no -check: leave one of the two out",
        ));
    }
    Ok(Cli {
        host: flags.host.unwrap_or_else(|| DEFAULT_HOST.to_owned()),
        port: flags.port.unwrap_or(DEFAULT_PORT),
        config: flags.config.map(PathBuf::from),
        multi_account: flags.multi_account,
        demo: flags.demo,
        check: flags.check,
    })
}

impl Cli {
    /// The configuration file: the given one, or the default of the mode.
    pub(crate) fn config_path(&self) -> &Path {
        let default = if self.multi_account {
            DEFAULT_MULTI_CONFIG
        } else {
            DEFAULT_CONFIG
        };
        self.config.as_deref().unwrap_or(Path::new(default))
    }
}

impl Exit {
    fn printing(stdout: String) -> Self {
        Self {
            code: 0,
            stdout,
            stderr: String::new(),
        }
    }
}

/// Turns `-name`, `--name` and `-name=value` into what argh reads. A request for help wins over everything else.
fn rewrite(args: impl IntoIterator<Item = OsString>) -> Result<Vec<String>, String> {
    let mut rewritten = Vec::new();
    let mut value_next = false;
    for arg in args {
        let arg = arg
            .into_string()
            .map_err(|arg| format!("the argument {arg:?} is not valid UTF-8"))?;
        let dashless = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'));
        let flag = dashless.filter(|name| !value_next && !name.is_empty());
        value_next = false;
        let Some(flag) = flag else {
            rewritten.push(arg);
            continue;
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        if ["h", "help"].contains(&flag) {
            return Ok(vec!["--help".to_owned()]);
        }
        if let Some(value) = value.filter(|_| SWITCHES.contains(&name)) {
            match value {
                "true" => rewritten.push(format!("--{name}")),
                "false" => {}
                _ => return Err(format!("-{name} takes no value, got {value:?}")),
            }
            continue;
        }
        value_next = value.is_none() && WITH_VALUE.contains(&name);
        rewritten.push(format!("--{name}"));
        if WITH_VALUE.contains(&name) {
            rewritten.extend(value.map(str::to_owned));
        }
    }
    Ok(rewritten)
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "expected 0 to 65535".to_owned())
}

fn non_empty(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("expected a value".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

fn usage_error(wrong: &str) -> Exit {
    let stderr = format!("{PROGRAM}: {}\n\n{}", wrong.trim_end(), usage());
    Exit {
        code: USAGE_ERROR,
        stdout: String::new(),
        stderr,
    }
}

/// argh's own help, with one dash as the documentation has it.
fn usage() -> String {
    match Flags::from_args(&[PROGRAM], &["--help"]) {
        Err(help) => one_dash(&help.output),
        Ok(_) => String::new(), // argh answers `--help` with nothing else.
    }
}

/// argh's complaint, with the flag as the documentation has it. A value, which comes later in the text, stays as it is.
fn first_flag_with_one_dash(complaint: &str) -> String {
    complaint
        .replacen(" --", " -", 1)
        .replacen(" '--", " '-", 1)
}

fn one_dash(text: &str) -> String {
    text.replace("--", "-")
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
