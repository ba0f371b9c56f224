//! From an INI file to the settings of every room. The rooms own their settings' types; here is where the words of the file
//! become those, with defaults and ranges. Knows no room's behaviour: whether a key opens or a port is free shows later.
//! Follows the specification's §2.

mod account;
mod entries;
mod error;
mod file;
#[cfg(test)]
mod fuzz;
mod identity;
mod known;
mod logs;
mod multi;
mod new_file;
mod profiles;
mod shared;
mod single;
mod value;
mod write_back;

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use account::Paths;
use error::Report;
use shared::{Common, Keys};
use write_back::Slot;
use zeroize::Zeroizing;

pub(crate) use error::{ConfigError, Warning};
pub(crate) use new_file::{Item, NewFile, accept, models};
pub(crate) use profiles::{DEFAULT_PROFILE, Profiles};

use crate::accounts::{FleetSettings, SeatSettings};
use crate::api::ApiSettings;
use crate::dispatch::DispatchSettings;
use crate::http::ListenSettings;
use crate::logger::LogSettings;
use crate::names::Secret;
use crate::oci::{ClientSettings, UpstreamSettings};
use crate::translate::Rules;
use crate::workers::PoolSettings;

/// Largest file that is read, bytes. Thousands of accounts fit; a file given by mistake costs little time and memory.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Which kind of file it is. After `config` nobody asks: a single file yields a fleet of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Single,
    Multi,
}

impl Mode {
    /// For the log and `/health`.
    fn as_str(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Multi => "multi",
        }
    }
}

/// Everything the file says, checked and complete.
pub(crate) struct Settings {
    /// `host` and `port` are the command line's defaults: whoever parsed it sets them.
    pub(crate) listen: ListenSettings,
    pub(crate) workers: PoolSettings,
    pub(crate) api: ApiSettings,
    pub(crate) rules: Rules,
    pub(crate) dispatch: DispatchSettings,
    pub(crate) fleet: FleetSettings,
    pub(crate) client: ClientSettings,
    pub(crate) log: LogSettings,
    /// The enabled ones, in the order of the file; never empty.
    pub(crate) accounts: Vec<AccountSettings>,
}

pub(crate) struct AccountSettings {
    /// The section's name as written (`ACCOUNT_1`), for the log line at start.
    pub(crate) section: String,
    pub(crate) seat: SeatSettings,
    pub(crate) upstream: UpstreamSettings,
}

pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    /// In the order of their lines.
    pub(crate) warnings: Vec<Warning>,
    pub(crate) api_key: ApiKeyOrigin,
}

/// What a file says, with nothing written.
pub(crate) struct Inspected {
    /// Without a clients' key if one must be made.
    pub(crate) settings: Settings,
    /// In the order of their lines.
    pub(crate) warnings: Vec<Warning>,
    /// The next start makes a clients' key and writes it into the file.
    pub(crate) lacks_key: bool,
}

/// Where the clients' key comes from, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiKeyOrigin {
    /// The file has it.
    Configured,
    /// It was made just now, and stands in the file.
    Written,
    /// It was made just now and could not be written: show it once, it holds for this run only.
    NotWritable { key: Secret, why: String },
}

impl Settings {
    /// The files that nobody else should read: those with keys and tokens, each once, and the configuration at `path` if it holds a
    /// clients' key, an API key of the service or a pass phrase.
    pub(crate) fn secret_files(&self, path: &Path, has_key: bool) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let has_secret = |account: &AccountSettings| {
            let identity = &account.upstream.identity;
            identity.pass_phrase().is_some() || !identity.signs()
        };
        if has_key || self.accounts.iter().any(has_secret) {
            files.push(path.to_owned());
        }
        let identities = self.accounts.iter();
        for file in identities.flat_map(|account| account.upstream.identity.files()) {
            if !files.contains(file) {
                files.push(file.clone());
            }
        }
        files
    }
}

/// Reads a file. Makes the clients' key and writes it into the file if there is none yet.
///
/// # Errors
/// All problems of the file, in the order of their lines; then the file is left alone.
pub(crate) fn load(path: &Path, mode: Mode) -> Result<Loaded, Vec<ConfigError>> {
    reload(path, mode, None)
}

/// `load` for a process that runs. A file without a key keeps the one that was made for this run
/// (`ApiKeyOrigin::NotWritable`), so that the clients that have it stay in.
pub(crate) fn reload(
    path: &Path,
    mode: Mode,
    made: Option<&Secret>,
) -> Result<Loaded, Vec<ConfigError>> {
    let bytes = read(path).map_err(|error| vec![error])?;
    let mut read = understand(&bytes, path, mode)?;
    let Some(slot) = read.slot else {
        return Ok(Loaded {
            settings: read.settings,
            warnings: read.warnings,
            api_key: ApiKeyOrigin::Configured,
        });
    };
    let key = match made {
        Some(key) => key.clone(),
        None => write_back::new_key().map_err(|why| vec![ConfigError::of_file(path, why)])?,
    };
    let text = Zeroizing::new(write_back::with_value(&bytes, &slot, key.expose()));
    let api_key = match write_back::write(path, &bytes, &text) {
        Ok(()) => ApiKeyOrigin::Written,
        Err(why) => ApiKeyOrigin::NotWritable {
            key: key.clone(),
            why,
        },
    };
    read.settings.api.keys = vec![key];
    Ok(Loaded {
        settings: read.settings,
        warnings: read.warnings,
        api_key,
    })
}

/// `load` without making a key: nothing is written.
pub(crate) fn inspect(path: &Path, mode: Mode) -> Result<Inspected, Vec<ConfigError>> {
    let bytes = read(path).map_err(|error| vec![error])?;
    let read = understand(&bytes, path, mode)?;
    Ok(Inspected {
        settings: read.settings,
        warnings: read.warnings,
        lacks_key: read.slot.is_some(),
    })
}

/// Writes a new file, with a clients' key that is made for it. The program's own reader has seen it before.
///
/// # Errors
/// Every problem, one line each; then nothing was written. What exists is never overwritten.
pub(crate) fn create(path: &Path, mode: Mode, new: &NewFile) -> Result<(), Vec<String>> {
    new.check(mode, path)?;
    let key = write_back::new_key().map_err(|why| vec![why])?;
    let text = new.text(mode, &key);
    write_back::create(path, text.as_bytes()).map_err(|error| {
        vec![match error.kind() {
            ErrorKind::AlreadyExists => exists(path),
            _ => format!("{}: cannot be written: {error}", path.display()),
        }]
    })
}

/// What to say about a file that would be overwritten.
pub(crate) fn exists(path: &Path) -> String {
    format!(
        "{}: exists already and is left alone: move it away, or name another file with -config FILE",
        path.display()
    )
}

/// `interpret`, with paths as they are in this process.
fn understand(bytes: &[u8], path: &Path, mode: Mode) -> Result<Interpreted, Vec<ConfigError>> {
    let home = home();
    let paths = Paths {
        base: path.parent().unwrap_or(Path::new("")),
        home: home.as_deref(),
    };
    interpret(bytes, path, mode, paths)
}

/// A file's meaning.
struct Interpreted {
    /// Without a key if there is a slot for one.
    settings: Settings,
    warnings: Vec<Warning>,
    /// Where a new key belongs, if one must be made.
    slot: Option<Slot>,
}

/// What the bytes of a file mean. Pure: `path` is for messages only.
fn interpret(
    bytes: &[u8],
    path: &Path,
    mode: Mode,
    paths: Paths<'_>,
) -> Result<Interpreted, Vec<ConfigError>> {
    let mut report = Report::new(path);
    let (file, strays) = file::scan(bytes);
    match mode {
        Mode::Single => single::refuse_multi(&file, &mut report),
        Mode::Multi => multi::refuse_single(&file, &mut report),
    }
    if report.has_errors() {
        return Err(report.into_errors());
    }
    for stray in strays {
        report.error(stray.line, &stray.key, stray.problem);
    }
    known::check(&file, mode, &mut report);
    let common = Common::of(&file);
    let global = common.global(&mut report);
    let models = common.models(&mut report);
    let rules = common.rules(&mut report);
    let fleet = common.fleet(&mut report);
    let keys = common.keys(&mut report);
    let log = logs::settings(&common.global, paths, &mut report);
    let mut disabled = Vec::new();
    let accounts = match mode {
        Mode::Single => single::accounts(&file, &global, paths, &mut report),
        Mode::Multi => multi::accounts(&file, paths, &mut disabled, &mut report),
    };
    if report.has_errors() {
        return Err(report.into_errors());
    }
    let (keys, slot) = match keys {
        Keys::Given(keys) => (keys, None),
        Keys::Make => (Vec::new(), Some(Slot::of(bytes, &file, mode))),
    };
    let settings = Settings {
        listen: global.listen,
        workers: global.workers,
        api: ApiSettings {
            keys,
            models,
            mode: mode.as_str(),
            disabled,
        },
        rules,
        dispatch: global.dispatch,
        fleet,
        client: global.client,
        log,
        accounts,
    };
    Ok(Interpreted {
        settings,
        warnings: report.into_warnings(),
        slot,
    })
}

/// The bytes of the file, at most `MAX_FILE_BYTES`.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let result = std::fs::File::open(path).and_then(|file| {
        // The final size at once: a buffer that grows would leave pieces of secrets behind in freed memory.
        let size = file.metadata()?.len().min(MAX_FILE_BYTES) + 2;
        bytes.reserve_exact(usize::try_from(size).unwrap_or_default());
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)
    });
    match result {
        Ok(_) if bytes.len() as u64 > MAX_FILE_BYTES => Err(ConfigError::of_file(
            path,
            format!("larger than {MAX_FILE_BYTES} bytes, expected a configuration file"),
        )),
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(ConfigError::of_file(
            path,
            "no such file: copy the sample of that kind here and fill it in, or name your file with -config FILE",
        )),
        Err(error) => Err(ConfigError::of_file(
            path,
            format!(
                "cannot be read ({error}): expected a readable file, or name another with -config FILE"
            ),
        )),
    }
}

/// The user's home directory, if the environment says.
pub(crate) fn home() -> Option<PathBuf> {
    let variable = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    std::env::var_os(variable)
        .filter(|home| !home.is_empty())
        .map(PathBuf::from)
}

#[cfg(test)]
mod tests;
