//! `-check`: everything short of serving. Reads the configuration without writing to it, opens the keys, looks at the modes of the
//! files, and makes each account's health check. Wiring: how all this looks on paper is `report`'s business. Follows the
//! specification's §1.

mod report;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::config::{self, AccountSettings, Inspected};
use crate::dispatch::Account;
use crate::dispatch::health::{self, Finding};
use crate::dispatch::probe;
use crate::http;
use crate::modes;
use crate::oci::error::{OciError, Phase};
use crate::oci::keys::KeyError;
use crate::oci::{Client, Identity, Skew};
use crate::server::Source;
use crate::translate::listed::{self, Capabilities, Listed};
use report::{Level, Note, Report, Row};

/// Longest wait for the token of an account that has no key of its own.
const TOKEN_WAIT: Duration = Duration::from_secs(10);

/// What was found about one account.
struct Examined {
    key: Result<(), KeyError>,
    /// `None`: its key does not load, so it was not called.
    finding: Option<Finding>,
    /// How long the call took.
    took: Duration,
    skew: Option<Skew>,
    region: String,
    /// Of a token.
    valid_for: Option<Duration>,
    /// The models that it lists, if they are to be discovered.
    listed: Option<Result<Vec<Listed>, OciError>>,
}

/// Checks everything; takes as long as the slowest account, or as several if there are many.
///
/// # Errors
/// Every problem of the configuration, one line each, as at a start.
pub(crate) fn run(source: &Source) -> Result<Report, Vec<String>> {
    let inspected = config::inspect(&source.path, source.mode)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let settings = &inspected.settings;
    let client = Client::new(&settings.client);
    let is_auto = settings.api.models.is_auto();
    let examined = health::for_all(&settings.accounts, |account| {
        examine(account, &client, is_auto)
    });
    let mut report = Report {
        title: title(&source.path, &inspected, &examined),
        rows: Vec::new(),
        notes: Vec::new(),
    };
    for (account, examined) in settings.accounts.iter().zip(&examined) {
        report.rows.push(row(account, examined.as_ref()));
        report.notes.extend(notes(account, examined.as_ref()));
        report
            .notes
            .extend(note_of_list(account, examined.as_ref()));
    }
    for id in &settings.api.disabled {
        report.rows.push(Row::disabled(id.as_str()));
    }
    report
        .notes
        .extend(notes_of_files(&source.path, &inspected));
    let skews = examined.iter().flatten().filter_map(|found| found.skew);
    report.notes.extend(clock_note(skews));
    Ok(report)
}

fn examine(account: &AccountSettings, client: &Client, is_auto: bool) -> Examined {
    let opened = Account::open(&account.seat, &account.upstream, client, None);
    opened.wait_for_credential(Instant::now() + TOKEN_WAIT);
    let started = Instant::now();
    let (key, finding) = match opened.look(&http::new_request_id()) {
        Ok(finding) => (Ok(()), Some(finding)),
        Err(problem) => (Err(problem.clone()), None),
    };
    let took = started.elapsed();
    let lists = is_auto && matches!(finding, Some(Finding::Good | Finding::Silent(_)));
    let listed = lists.then(|| {
        opened
            .list(&http::new_request_id())
            .map(|(models, _)| models)
    });
    Examined {
        key,
        finding,
        took,
        skew: opened.skew(),
        region: opened.region().to_owned(),
        valid_for: opened.credential_valid_for(),
        listed,
    }
}

fn title(path: &Path, inspected: &Inspected, examined: &[Option<Examined>]) -> String {
    let settings = &inspected.settings;
    let mut models = settings.api.models.names().count().to_string();
    if settings.api.models.is_auto() {
        let lists = examined
            .iter()
            .flatten()
            .filter_map(|found| found.listed.as_ref());
        let lists = lists.filter_map(|list| list.as_deref().ok());
        models += &format!(" and {} discovered", listed::union(lists).len());
    }
    let keys = match settings.api.keys.len() {
        0 => "no api_key yet: the first start makes one and writes it into the file".to_owned(),
        1 => "an api_key".to_owned(),
        several => format!("{several} api_keys"),
    };
    format!("{}: models: {models}, {keys}", path.display())
}

fn row(account: &AccountSettings, examined: Option<&Examined>) -> Row {
    let nothing = || "-".to_owned();
    let (key, fingerprint) = match examined.map(|found| (&found.key, found)) {
        Some((Ok(()), found)) => credential(&account.upstream.identity, found.valid_for),
        Some((Err(KeyError::FingerprintMismatch { .. }), _)) => ("loads".to_owned(), "DIFFERS"),
        Some((Err(_), _)) => ("FAILS".to_owned(), "-"),
        None => ("-".to_owned(), "-"),
    };
    let finding = examined.and_then(|found| found.finding.as_ref());
    let clock = match examined.and_then(|found| found.skew) {
        Some(skew) if skew.is_notable() => skew.to_string(),
        Some(_) => "right".to_owned(),
        None => nothing(),
    };
    let call = match (finding, examined) {
        (Some(Finding::Good | Finding::Silent(_)), Some(found)) => {
            format!("good, {} ms", found.took.as_millis())
        }
        (Some(Finding::Unproven(_)), Some(found)) => {
            format!("reached, {} ms", found.took.as_millis())
        }
        (Some(Finding::Bad(error)), _) => format!("FAILS: {}", in_short(error)),
        (None, Some(_)) => nothing(),
        (_, None) => "FAILS".to_owned(),
    };
    Row {
        account: account.seat.id.as_str().to_owned(),
        region: examined.map_or_else(nothing, |found| found.region.clone()),
        key,
        fingerprint: fingerprint.to_owned(),
        clock,
        call,
        is_good: match finding {
            Some(Finding::Good | Finding::Silent(_) | Finding::Unproven(_)) => Some(true),
            Some(Finding::Bad(_)) | None => Some(false),
        },
    }
}

/// What there is to show who the account is: the key and its fingerprint.
fn credential(identity: &Identity, valid_for: Option<Duration>) -> (String, &'static str) {
    let token = || match valid_for {
        Some(left) if left < Duration::from_secs(120) => format!("token, {} s", left.as_secs()),
        Some(left) => format!("token, {} min", left.as_secs() / 60),
        None => "NO TOKEN".to_owned(),
    };
    match identity {
        Identity::SigningKey { .. } => ("loads".to_owned(), "matches"),
        Identity::SecurityToken { .. }
        | Identity::InstancePrincipal { .. }
        | Identity::ResourcePrincipal => (token(), "-"),
        Identity::ApiKey { .. } => ("API key".to_owned(), "-"),
    }
}

fn in_short(error: &OciError) -> String {
    match error {
        OciError::Status(status) => status.status.to_string(),
        OciError::Unreachable { .. } => "unreachable".to_owned(),
        OciError::Timeout { .. } => "no answer in time".to_owned(),
        OciError::Broken { .. } | OciError::Event { .. } => "not OCI's answer".to_owned(),
        OciError::NoCredential { .. } => "no token".to_owned(),
        OciError::Cancelled => "stopped".to_owned(),
    }
}

/// What is to be said of one account, with what to do.
fn notes(account: &AccountSettings, examined: Option<&Examined>) -> Option<Note> {
    let id = account.seat.id.as_str();
    let Some(examined) = examined else {
        let text = format!("{id}: the check itself failed; see the log");
        return Some(Note::new(Level::Failure, text, ""));
    };
    let identity = &account.upstream.identity;
    let files = identity.files();
    let key_file = files.first().map(|file| file.display().to_string());
    let key_file = modes::quoted(&key_file.unwrap_or_default());
    if let Err(problem) = &examined.key {
        let advice = match problem {
            KeyError::FingerprintMismatch { .. } => format!(
                "the fingerprint of a key: openssl rsa -in {key_file} -pubout -outform DER | openssl md5 -c"
            ),
            _ => String::new(),
        };
        return Some(Note::new(
            Level::Failure,
            format!("{id}: {problem}"),
            advice,
        ));
    }
    match examined.finding.as_ref()? {
        Finding::Good => None,
        Finding::Silent(error) => Some(Note::new(
            Level::Remark,
            format!(
                "{id}: OCI takes the key and does not list its models, by policy or for now; chat may work all the same: {error}"
            ),
            "to be sure, start and ask: curl localhost:8080/test-oci",
        )),
        Finding::Unproven(error) => Some(Note::new(
            Level::Remark,
            format!(
                "{id}: OCI is reached; that it takes the API key only a call that costs tokens can show: {error}"
            ),
            "",
        )),
        Finding::Bad(error) => {
            let advice = advice(error, identity, &key_file, examined.skew);
            Some(Note::new(Level::Failure, format!("{id}: {error}"), advice))
        }
    }
}

/// What an account lists, where that is what clients see.
fn note_of_list(account: &AccountSettings, examined: Option<&Examined>) -> Option<Note> {
    let id = account.seat.id.as_str();
    let listed = match examined?.listed.as_ref()? {
        Ok(listed) => listed,
        Err(error) => {
            let text = format!("{id}: its models cannot be discovered: {error}");
            let advice = "allow its group to inspect generative-ai-model in the compartment, or name the models in [MODELS]";
            return Some(Note::new(Level::Warning, text, advice));
        }
    };
    let count = |has: fn(Capabilities) -> bool| {
        let able = listed.iter().filter(|model| has(model.capabilities));
        able.count()
    };
    let (chat, embeddings, rerank) = (
        count(|able| able.chat),
        count(|able| able.embeddings),
        count(|able| able.rerank),
    );
    let text = format!(
        "{id}: models discovered: {} (chat {chat}, embeddings {embeddings}, rerank {rerank})",
        listed.len()
    );
    Some(Note::new(Level::Remark, text, ""))
}

fn advice(error: &OciError, identity: &Identity, key_file: &str, skew: Option<Skew>) -> String {
    match error {
        OciError::Status(status) if status.status == 401 => match skew {
            Some(skew) if !skew.is_correctable() => "set this machine's clock".to_owned(),
            Some(_) | None if identity.files().len() != 1 => {
                "the token is refused: is it of this tenancy, and is the key beside it the one that it was made for?".to_owned()
            }
            Some(_) | None => format!(
                "compare user, tenancy and fingerprint with the OCI console (Profile, API keys); if the fingerprint is not in that list, \
                 add the public half of the key there: openssl rsa -in {key_file} -pubout"
            ),
        },
        OciError::Unreachable {
            phase: Phase::Connect,
            why,
        } if ["certificate", "UnknownIssuer", "tls"]
            .iter()
            .any(|word| why.contains(word)) =>
        {
            "the certificate is not trusted: if a proxy inspects TLS, add its certificate to the system's store; check the clock and endpoint"
                .to_owned()
        }
        other => probe::hint(other).to_owned(),
    }
}

fn notes_of_files(path: &Path, inspected: &Inspected) -> Vec<Note> {
    let warning = |text: String| Note::new(Level::Warning, text, "");
    let files = inspected.settings.secret_files(path, !inspected.lacks_key);
    let complaints = modes::complaints(&files).into_iter();
    let of_file = inspected.warnings.iter().map(ToString::to_string);
    let log = inspected.settings.log.file.as_ref();
    let log = log.and_then(|file| without_directory(&file.path));
    of_file.chain(complaints).chain(log).map(warning).collect()
}

/// What there is to say about a log file that has no place to be.
fn without_directory(log_file: &Path) -> Option<String> {
    let directory = log_file.parent()?;
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return None;
    }
    let directory = modes::quoted(&directory.display().to_string());
    Some(format!(
        "log_file: there is no directory {directory}, and until there is the log goes to stderr: mkdir -p {directory}"
    ))
}

/// One note: it is one clock, whatever the number of accounts.
fn clock_note(skews: impl Iterator<Item = Skew>) -> Option<Note> {
    let skew = skews.into_iter().find(|skew| skew.is_notable())?;
    let then = if skew.is_correctable() {
        "until then requests that OCI would refuse for it are dated by OCI's clock"
    } else {
        "that is too far off to be corrected here"
    };
    let text =
        format!("this machine's clock is {skew}: OCI refuses what is dated 5 minutes off; {then}");
    let advice = "set it: timedatectl set-ntp true, or chronyc makestep";
    Some(Note::new(Level::Warning, text, advice))
}
