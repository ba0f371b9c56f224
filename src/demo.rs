//! Prepares `-demo`: a simulator of OCI with made accounts, and a configuration that points at it, in a temporary
//! directory of the user's own that goes away in the end. What the accounts suffer is `troubles`' business. Knows
//! neither the proxy nor how it is started; prints nothing. Follows spec §1 and the configuration format of spec §2.

mod troubles;

use std::collections::HashMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::crypto;
use parking_lot::Mutex;

use crate::simulator::{Account, Chooser, Options, Simulator};
use troubles::{Asked, DYING, THROTTLED};

/// Accounts of the demo; their ids are `DEMO_1` and so on.
const DEMO_ACCOUNTS: usize = 3;
/// Region, weight and `max_concurrency` of each. The regions are names only: the endpoint is the simulator.
const DEMO_SEATS: [(&str, u32, u32); DEMO_ACCOUNTS] = [
    ("us-chicago-1", 3, 50),
    ("us-phoenix-1", 2, 30),
    ("eu-frankfurt-1", 1, 20),
];
/// Pause between two words of a streamed answer: about as fast as one reads.
const DEMO_PACE: Duration = Duration::from_millis(45);
/// Clients' names for the models, and OCI's: one of each family that answers in its own way.
const DEMO_MODELS: [(&str, &str); 10] = [
    ("grok-4.3", "xai.grok-4.3"),
    ("llama-3.3-70b", "meta.llama-3.3-70b-instruct"),
    ("gemini-2.5-flash", "google.gemini-2.5-flash"),
    ("gpt-oss-120b", "openai.gpt-oss-120b"),
    ("gpt-5.6", "openai.gpt-5.6"),
    ("command-a", "cohere.command-a-03-2025"),
    ("command-a-reasoning", "cohere.command-a-reasoning-08-2025"),
    ("command-a-vision", "cohere.command-a-vision-07-2025"),
    ("embed-v4", "cohere.embed-v4.0"),
    ("rerank-v3.5", "cohere.rerank-v3.5"),
];
const CONFIG_FILE: &str = "multi_config.conf";
/// What the path of a call to a model has in it at the simulator.
const ACTIONS: &str = "/actions/";

/// A prepared demo. Dropping it stops the simulator and removes the directory.
pub(crate) struct Demo {
    /// The multi-account configuration.
    config_path: PathBuf,
    /// The clients' bearer key: 32 hex digits.
    api_key: String,
    /// Serves until it is dropped.
    _simulator: Simulator,
    _directory: PrivateDirectory,
}

/// Makes everything; takes as long as an RSA key for each account.
///
/// # Errors
/// What the system says when it cannot write the files or start the simulator.
pub(crate) fn prepare() -> io::Result<Demo> {
    let accounts: Vec<_> = (1..=DEMO_ACCOUNTS)
        .map(made_account)
        .collect::<io::Result<_>>()?;
    let simulator = Simulator::start(Options {
        accounts: accounts.clone(),
        models: DEMO_MODELS
            .iter()
            .map(|(_, model)| (*model).to_owned())
            .collect(),
        pace: DEMO_PACE,
        strict: true,
        ..Options::default()
    })?;
    simulator.set_chooser(Some(chooser(Instant::now())));
    let directory = PrivateDirectory::create()?;
    let api_key = random_hex()?;
    for account in &accounts {
        write_private(
            &directory.0.join(key_file(account)),
            &account.private_key_pem,
        )?;
    }
    let config_path = directory.0.join(CONFIG_FILE);
    write_private(
        &config_path,
        &config(&accounts, &simulator.endpoint(), &api_key),
    )?;
    Ok(Demo {
        config_path,
        api_key,
        _simulator: simulator,
        _directory: directory,
    })
}

impl Demo {
    pub(crate) fn config_path(&self) -> &Path {
        &self.config_path
    }

    /// What to show: what the accounts do, how to see errors, the key, the dashboard, and four commands to paste. `base_url` is the proxy's, with or without `/v1`.
    pub(crate) fn banner(&self, base_url: &str) -> String {
        let base = base_url.trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base);
        let key = &self.api_key;
        let [(grok, _), (llama, _), ..] = DEMO_MODELS;
        let header = format!("-H 'Authorization: Bearer {key}'");
        let chat =
            format!("{base}/v1/chat/completions {header} -H 'Content-Type: application/json'");
        format!(
            "This is a demo: the answers come from a simulator of OCI on this machine, no account is needed.\n\
             There are three made accounts, of which {THROTTLED} throttles and {DYING} dies now and then: the last command \
             shows how they are.\n\
             To see errors, ask a model to \"simulate throttling\" (or \"a long prompt\", \"a filter\", \"a fault\", \
             \"a broken stream\").\n\
             API key: {key}\n\
             Dashboard: {base}/ (its chat asks for the key)\n\
             \n\
             curl {base}/v1/models {header}\n\
             curl {chat} -d '{{\"model\":\"{grok}\",\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'\n\
             curl -N {chat} -d '{{\"model\":\"{llama}\",\"stream\":true,\"messages\":[{{\"role\":\"user\",\
             \"content\":\"Why is the sky blue?\"}}]}}'\n\
             curl {base}/stats/accounts\n"
        )
    }
}

fn made_account(number: usize) -> io::Result<Account> {
    Ok(Account {
        id: format!("DEMO_{number}"),
        ..Account::generate()?
    })
}

/// The key's file, beside the configuration.
fn key_file(account: &Account) -> String {
    format!("{}.pem", account.id)
}

/// Answers as `troubles` has it. The chat calls of each account are counted, of which there are no others than the made
/// ones: those alone can sign.
fn chooser(start: Instant) -> Chooser {
    let calls = Mutex::new(HashMap::<String, u64>::new());
    Arc::new(move |request| {
        let account = request.account.as_deref()?;
        let asked = if request.target.contains(ACTIONS) {
            let mut calls = calls.lock();
            let number = calls.entry(account.to_owned()).or_default();
            *number += 1;
            Asked::Chat(*number)
        } else {
            Asked::List
        };
        troubles::trouble(account, asked, start.elapsed())
    })
}

fn config(accounts: &[Account], endpoint: &str, api_key: &str) -> String {
    let mut config = format!(
        "# Made by ociai-proxy -demo, and removed when it ends.\n\
         api_key = {api_key}\n\
         \n\
         [GLOBAL]\n\
         health_check_interval = 5s\n\
         \n\
         [MODELS]\n"
    );
    for (name, model) in DEMO_MODELS {
        config += &format!("{name} = {model}\n");
    }
    config += "\n[CIRCUIT_BREAKER]\nreset_timeout = 10s\n";
    for ((account, seat), number) in accounts.iter().zip(DEMO_SEATS).zip(1..) {
        let (region, weight, max_concurrency) = seat;
        let Account {
            id,
            user,
            fingerprint,
            tenancy,
            ..
        } = account;
        let key_file = key_file(account);
        config += &format!(
            "\n[ACCOUNT_{number}]\n\
             id = {id}\n\
             user = {user}\n\
             fingerprint = {fingerprint}\n\
             key_file = {key_file}\n\
             tenancy = {tenancy}\n\
             region = {region}\n\
             endpoint = {endpoint}\n\
             weight = {weight}\n\
             max_concurrency = {max_concurrency}\n"
        );
    }
    config
}

/// 32 hex digits that nobody can guess.
fn random_hex() -> io::Result<String> {
    crypto::random_hex::<16>().ok_or_else(|| io::Error::other("the system has no random numbers"))
}

/// A directory that only its owner can look into, removed with all its files on drop.
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    /// Its name cannot be guessed, so nobody can be there first; if somebody is, this fails.
    fn create() -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("ociai-proxy-demo-{}", random_hex()?));
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            log::debug!("demo: {} is left behind: {error}", self.0.display());
        }
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests;
