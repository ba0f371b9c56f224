//! `-init`: writes a configuration file out of flags, the environment, a profile of OCI's own tools and, on a terminal, answers.
//! Here is what touches the world: files, environment, terminal. What is asked, and what becomes of the answers, is
//! `interview`'s business; how the file looks is `config`'s. Never overwrites anything. Follows the specification's §1.

mod interview;
mod terminal;
mod words;

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::config::{self, Item, Mode, Profiles};
use crate::modes;
use crate::names::Secret;
use crate::oci::keys::{KeyError, PrivateKey};
use interview::{Found, Line, Stop, World};

/// Where OCI's own tools look for their configuration.
const PROFILES_VARIABLE: &str = "OCI_CONFIG_FILE";
const PROFILE_VARIABLE: &str = "OCI_CLI_PROFILE";

/// The flags of the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) user: Option<String>,
    pub(crate) tenancy: Option<String>,
    pub(crate) fingerprint: Option<String>,
    pub(crate) key_file: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) compartment: Option<String>,
    pub(crate) models: Option<String>,
    pub(crate) profile: Option<String>,
}

impl Given {
    fn value(&self, item: Item) -> Option<&String> {
        match item {
            Item::User => self.user.as_ref(),
            Item::Tenancy => self.tenancy.as_ref(),
            Item::Fingerprint => self.fingerprint.as_ref(),
            Item::KeyFile => self.key_file.as_ref(),
            Item::Region => self.region.as_ref(),
            // Other users of this machine can see a command line.
            Item::PassPhrase => None,
            Item::Compartment => self.compartment.as_ref(),
            Item::Models => self.models.as_ref(),
        }
    }
}

/// Makes the file at `path`; returns what to say about it.
///
/// # Errors
/// Every problem, one line each; then nothing was written.
pub(crate) fn run(given: &Given, path: &Path, mode: Mode) -> Result<String, Vec<String>> {
    if path.symlink_metadata().is_ok() {
        return Err(vec![config::exists(path)]);
    }
    let found = profiles()?;
    let home = config::home();
    let world = World {
        given: &|item| flag_or_variable(given, item),
        profiles: found.as_ref().map(|(path, profiles)| Found {
            path: path.display().to_string(),
            profiles,
        }),
        profile: given
            .profile
            .clone()
            .or_else(|| env::var(PROFILE_VARIABLE).ok())
            .filter(|profile| !profile.is_empty()),
        open_key: &|text, phrase| fingerprint(&real_path(text, home.as_deref()), phrase),
    };
    let talk: &mut dyn FnMut(Line<'_>) -> io::Result<Option<Zeroizing<String>>> =
        &mut terminal::talk;
    let asked = if terminal::is_there() {
        interview::ask(&world, talk)
    } else {
        interview::gather(&world)
    };
    let mut new = asked.map_err(|stop| match stop {
        Stop::Problems(problems) => problems,
        Stop::Ended => vec!["stopped, nothing was written".to_owned()],
        Stop::Failed(error) => vec![format!("the terminal cannot be read: {error}")],
    })?;
    let key_file = real_path(&new.key_file, home.as_deref());
    new.key_file = stored_path(&new.key_file, path)?;
    config::create(path, mode, &new)?;
    Ok(what_next(path, mode, &modes::complaints(&[key_file])))
}

/// The file of OCI's own tools, if there is one.
fn profiles() -> Result<Option<(PathBuf, Profiles)>, Vec<String>> {
    let named = env::var_os(PROFILES_VARIABLE)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let usual = || Some(config::home()?.join(".oci/config")).filter(|path| path.exists());
    let Some(path) = named.or_else(usual) else {
        return Ok(None);
    };
    let path = real_path(&path.to_string_lossy(), config::home().as_deref());
    let profiles = Profiles::load(&path)
        .map_err(|why| vec![format!("the configuration of OCI's own tools: {why}")])?;
    Ok(Some((path, profiles)))
}

/// The value, and where it comes from.
fn flag_or_variable(given: &Given, item: Item) -> Option<(Zeroizing<String>, &'static str)> {
    let flag = given.value(item).zip(words::flag(item));
    flag.map(|(value, flag)| (Zeroizing::new(value.clone()), flag))
        .or_else(|| {
            let variable = words::variable(item)?;
            let value = env::var(variable).ok().filter(|value| !value.is_empty())?;
            Some((Zeroizing::new(value), variable))
        })
}

fn fingerprint(path: &Path, phrase: Option<&Secret>) -> Result<String, KeyError> {
    PrivateKey::load(path, phrase).map(|key| key.fingerprint())
}

/// Where a path leads that was typed here.
fn real_path(text: &str, home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix("~/"), home) {
        (Some(below), Some(home)) => home.join(below),
        _ => PathBuf::from(text),
    }
}

/// A path that was typed here, as it must stand in a file elsewhere.
fn stored_path(text: &str, config: &Path) -> Result<String, Vec<String>> {
    let is_beside = config
        .parent()
        .is_none_or(|directory| directory.as_os_str().is_empty());
    if is_beside || text.starts_with('~') || Path::new(text).is_absolute() {
        return Ok(text.to_owned());
    }
    let absolute = std::path::absolute(text)
        .map_err(|error| vec![format!("{text}: no path can be made of it: {error}")])?;
    absolute.into_os_string().into_string().map_err(|path| {
        vec![format!(
            "{}: a path that is not UTF-8 cannot stand in the file: move the key elsewhere",
            path.display()
        )]
    })
}

fn what_next(path: &Path, mode: Mode, complaints: &[String]) -> String {
    let file = modes::quoted(&path.display().to_string());
    let flags = match mode {
        Mode::Single => format!("-config {file}"),
        Mode::Multi => format!("-multi-account -config {file}"),
    };
    let mut text = format!(
        "{file} is written, for you alone to read, with an api_key for the clients in it.\n"
    );
    for complaint in complaints {
        text += &format!("warning: {complaint}\n");
    }
    if mode == Mode::Multi {
        text += "Its last lines show how to add the next account.\n";
    }
    text + &format!(
        "Next:\n  ociai-proxy -check {flags}\n  ociai-proxy {flags}\n\
         Clients get the base URL http://localhost:8080/v1 and the api_key: grep ^api_key {file}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_key_is_found_from_the_file() {
        let here = env::current_dir().unwrap_or_default();
        let absolute = here.join("k.pem").display().to_string();
        for (text, config, expected) in [
            ("k.pem", "config.conf", "k.pem"),
            ("./k.pem", "config.conf", "./k.pem"),
            ("k.pem", "/etc/x/config.conf", absolute.as_str()),
            ("k.pem", "sub/config.conf", absolute.as_str()),
            ("/k.pem", "/etc/x/config.conf", "/k.pem"),
            ("~/k.pem", "/etc/x/config.conf", "~/k.pem"),
        ] {
            let stored = stored_path(text, Path::new(config));
            assert_eq!(stored.as_deref(), Ok(expected), "{text} {config}");
        }
    }

    #[test]
    fn what_comes_next_can_be_pasted() {
        let text = what_next(
            Path::new("my file.conf"),
            Mode::Multi,
            &["k: is open".to_owned()],
        );
        for expected in [
            "\n  ociai-proxy -check -multi-account -config 'my file.conf'\n",
            "\n  ociai-proxy -multi-account -config 'my file.conf'\n",
            "\nwarning: k: is open\n",
            "grep ^api_key 'my file.conf'\n",
        ] {
            assert!(text.contains(expected), "{text}");
        }
    }
}
