//! The command line: argv in, `Cli` or an `Exit` out. Pure: prints nothing, reads no file and no environment. Knows nothing of
//! what the flags start. Follows the specification's §1.
//!
//! argh knows long options with two dashes only. So argv is rewritten first: `-port=9000` becomes `--port 9000`. A value is
//! never rewritten, even if it begins with a dash.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use argh::FromArgs;

use crate::http::{DEFAULT_HOST, DEFAULT_PORT};
use crate::init::Given;

const DEFAULT_CONFIG: &str = "config.conf";
const DEFAULT_MULTI_CONFIG: &str = "multi_config.conf";

const PROGRAM: &str = "ociai-proxy";
/// A wrong command line, as most Unix programs have it.
const USAGE_ERROR: u8 = 2;
/// Flags that the next argument belongs to, unless a value follows after `=`.
const WITH_VALUE: [&str; 11] = [
    "compartment",
    "config",
    "fingerprint",
    "host",
    "key-file",
    "models",
    "port",
    "profile",
    "region",
    "tenancy",
    "user",
];
const SWITCHES: [&str; 5] = ["check", "demo", "init", "multi-account", "version"];

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
    /// `-init`, and the values that come with it.
    pub(crate) init: Option<Given>,
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

    /// write a configuration file, ask for what is missing, and end
    #[argh(switch)]
    init: bool,

    /// with -init: OCID of the user
    #[argh(option, arg_name = "OCID", from_str_fn(non_empty))]
    user: Option<String>,

    /// with -init: OCID of the tenancy
    #[argh(option, arg_name = "OCID", from_str_fn(non_empty))]
    tenancy: Option<String>,

    /// with -init: the API key's, as the console shows it
    #[argh(option, arg_name = "HEX", from_str_fn(non_empty))]
    fingerprint: Option<String>,

    /// with -init: the private key, a PEM file
    #[argh(option, arg_name = "FILE", from_str_fn(non_empty))]
    key_file: Option<String>,

    /// with -init: such as us-chicago-1
    #[argh(option, arg_name = "NAME", from_str_fn(non_empty))]
    region: Option<String>,

    /// with -init: OCID of the compartment, if not the tenancy
    #[argh(option, arg_name = "OCID", from_str_fn(non_empty))]
    compartment: Option<String>,

    /// with -init: such as grok-4.3=xai.grok-4.3,other=id
    #[argh(option, arg_name = "LIST", from_str_fn(non_empty))]
    models: Option<String>,

    /// with -init: which profile of ~/.oci/config
    #[argh(option, arg_name = "NAME", from_str_fn(non_empty))]
    profile: Option<String>,

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
    let init = init(&flags)?;
    Ok(Cli {
        host: flags.host.unwrap_or_else(|| DEFAULT_HOST.to_owned()),
        port: flags.port.unwrap_or(DEFAULT_PORT),
        config: flags.config.map(PathBuf::from),
        multi_account: flags.multi_account,
        demo: flags.demo,
        check: flags.check,
        init,
    })
}

/// `-init` and what belongs to it.
fn init(flags: &Flags) -> Result<Option<Given>, Exit> {
    let given = Given {
        user: flags.user.clone(),
        tenancy: flags.tenancy.clone(),
        fingerprint: flags.fingerprint.clone(),
        key_file: flags.key_file.clone(),
        region: flags.region.clone(),
        compartment: flags.compartment.clone(),
        models: flags.models.clone(),
        profile: flags.profile.clone(),
    };
    match (flags.init, flags.demo, flags.check) {
        (false, _, _) if given == Given::default() => Ok(None),
        (false, _, _) => Err(usage_error(
            "the values of an account go into the configuration file: without -init leave those flags out",
        )),
        (true, false, false) => Ok(Some(given)),
        (true, true, _) => Err(usage_error(
            "-demo needs no configuration of yours: leave -demo or -init out",
        )),
        (true, false, true) => Err(usage_error(
            "-check is for a file that is there: leave it out, and use it after -init",
        )),
    }
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
