//! Accounts without an API signing key: sessions, instance principals, and API keys of the service; alone, mixed, and in trouble.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ociai_proxy::simulator::{
    Account, Framing, Gate, Instance, Options, Recorded, Script, Simulator, Step,
};

use super::site::{FILE, Talker, account, ask, assert_good, crowd, error, hello, is_of, served_by};
use crate::harness::{
    DEADLINE, KEY, MODELS, PEM, Proxy, TempDir, eventually, program, write_private,
};
use crate::start::run;

const LEAF: &str = include_str!("../../fixtures/identity/TEST-leaf.pem");
const LEAF_KEY: &str = include_str!("../../fixtures/identity/TEST-leaf-key.pem");
const INTERMEDIATE: &str = include_str!("../../fixtures/identity/TEST-intermediate.pem");
pub(crate) const SESSION_KEY: &str = include_str!("../../fixtures/identity/TEST-session-key.pem");
/// As openssl says, from the certificate.
const TENANCY: &str = "ocid1.tenancy.oc1..aaaaaaaainstancetest";
const FINGERPRINT: &str = "0D:BC:60:FA:72:8A:78:CC:27:2E:DE:58:23:B6:D9:81:37:7E:E4:72";
const HOUR: Duration = Duration::from_secs(3600);

/// A simulator with the services of an instance, and accounts of these ids that sign.
pub(crate) fn cloud(ids: &[&str], clock_offset: i64) -> Simulator {
    let account = |id: &&str| Account::from_pem(id, PEM).unwrap();
    let instance = Instance {
        account: "vm".to_owned(),
        region: "PHX".to_owned(),
        certificate_pem: LEAF.to_owned(),
        key_pem: LEAF_KEY.to_owned(),
        intermediate_pem: INTERMEDIATE.to_owned(),
        key_id: format!("{TENANCY}/fed-x509/{FINGERPRINT}"),
    };
    let options = Options {
        accounts: ids.iter().map(account).collect(),
        models: MODELS.iter().map(|(_, id)| (*id).to_owned()).collect(),
        pace: Duration::ZERO,
        clock_offset,
        instance: Some(instance),
        ..Options::default()
    };
    Simulator::start(options).unwrap()
}

/// The lines of an account of each kind at this simulator.
pub(crate) fn vm(simulator: &Simulator) -> String {
    let at = simulator.endpoint();
    format!(
        "auth = instance_principal\nendpoint = {at}\nmetadata_endpoint = {at}\nfederation_endpoint = {at}\n"
    )
}

pub(crate) fn session(simulator: &Simulator, token_file: &str) -> String {
    format!(
        "security_token_file = {token_file}\nkey_file = session.pem\ntenancy = {TENANCY}\nregion = FRA\nendpoint = {}\n",
        simulator.endpoint()
    )
}

fn pem(simulator: &Simulator, id: &str) -> String {
    let account = Account::from_pem(id, PEM).unwrap();
    format!(
        "user = {}\ntenancy = {}\nfingerprint = {}\nkey_file = key.pem\nregion = us-phoenix-1\nendpoint = {}\n",
        account.user,
        account.tenancy,
        account.fingerprint,
        simulator.endpoint()
    )
}

fn bearer(simulator: &Simulator, key: &str) -> String {
    let at = simulator.endpoint();
    format!("oci_api_key = {key}\nregion = us-chicago-1\nendpoint = {at}\n")
}

/// A configuration of accounts by their ids and lines.
pub(crate) fn config(global: &str, accounts: &[(&str, String)]) -> String {
    let mut text = format!("api_key = {KEY}\n[GLOBAL]\n{global}\n[MODELS]\n");
    for (name, id) in MODELS {
        text += &format!("{name} = {id}\n");
    }
    for (id, lines) in accounts {
        text += &format!("[ACCOUNT_{id}]\nid = {id}\n{lines}");
    }
    text
}

/// A directory with this and the keys.
pub(crate) fn furnished(config: &str) -> TempDir {
    let dir = TempDir::new();
    write_private(&dir.path().join(FILE), config);
    write_private(&dir.path().join("key.pem"), PEM);
    write_private(&dir.path().join("session.pem"), SESSION_KEY);
    dir
}

pub(crate) fn start(dir: TempDir, variables: &[(&str, &str)]) -> Proxy {
    let mut command = program(dir.path());
    command.args(["-multi-account", "-config", FILE]);
    command.args(["-port", "0", "-host", "127.0.0.1"]);
    command.envs(variables.iter().copied());
    Proxy::spawn(dir, command)
}

/// Puts a token into a file, as OCI's command line does.
pub(crate) fn put(dir: &Path, file: &str, token: &str) {
    let new = dir.join("new");
    write_private(&new, format!("{token}\n"));
    fs::rename(new, dir.join(file)).unwrap();
}

fn token(simulator: &Simulator, account: &str, life: Duration) -> String {
    simulator.issue_token(account, SESSION_KEY, life).unwrap()
}

/// A single instance, started at a simulator.
fn instance(simulator: &Simulator, global: &str) -> Proxy {
    start(furnished(&config(global, &[("vm", vm(simulator))])), &[])
}

/// The same, once it has a token.
fn ready_instance(simulator: &Simulator, global: &str) -> Proxy {
    let proxy = instance(simulator, global);
    wait_for_health(&proxy, "vm", true);
    proxy
}

fn is_federation(request: &Recorded) -> bool {
    request.target == "/v1/x509"
}

fn is_metadata(request: &Recorded) -> bool {
    request.target.starts_with("/opc/v2/")
}

fn tokens_given(simulator: &Simulator) -> usize {
    let requests = simulator.requests().into_iter();
    requests.filter(is_federation).count()
}

/// Waits until the account is well, or is not.
fn wait_for_health(proxy: &Proxy, id: &str, is_well: bool) {
    eventually(&format!("{id} to be healthy: {is_well}"), || {
        account(proxy, id)["healthy"] == is_well
    });
}

#[test]
fn an_instance_needs_no_key_and_knows_where_it_is() {
    let simulator = cloud(&[], 0);
    let proxy = ready_instance(&simulator, "");
    assert_eq!(hello(&proxy), "vm");
    assert_good(&proxy.chat(&ask("grok", true, "Hello")));
    assert_eq!(account(&proxy, "vm")["region"], "us-phoenix-1");
    let requests = simulator.requests();
    assert!(requests.iter().all(Recorded::is_signed), "{requests:#?}");
    for request in &requests {
        let authorization = request.header("authorization").unwrap();
        let body = String::from_utf8_lossy(&request.body);
        if is_metadata(request) {
            assert_eq!(authorization, "Bearer Oracle");
        } else if is_federation(request) {
            assert!(authorization.contains(r#"headers="date (request-target) content-length"#));
        } else {
            assert!(authorization.contains(r#"keyId="ST$"#), "{authorization}");
        }
        if request.method == "POST" && !is_federation(request) {
            assert!(body.contains(TENANCY), "the compartment is the tenancy");
        }
    }
}

#[test]
fn the_metadata_service_may_be_named_by_the_environment() {
    let simulator = cloud(&[], 0);
    let lines = vm(&simulator);
    let lines: String = lines
        .lines()
        .filter(|line| !line.starts_with("metadata"))
        .map(|line| format!("{line}\n"))
        .collect();
    let base = format!("{}/opc/v2", simulator.endpoint());
    let dir = furnished(&config("", &[("vm", lines)]));
    let proxy = start(dir, &[("OCI_METADATA_BASE_URL", &base)]);
    wait_for_health(&proxy, "vm", true);
    assert_eq!(hello(&proxy), "vm");
}

#[test]
fn a_token_is_replaced_before_its_end_and_no_request_waits_or_fails() {
    let simulator = cloud(&[], 0);
    simulator.set_token_life(Duration::from_secs(3));
    let proxy = ready_instance(&simulator, "health_check_interval = 0");
    let answers = AtomicUsize::new(0);
    crowd(&proxy, 4, |_, talker: &mut Talker<'_>| {
        while tokens_given(&simulator) < 5 {
            assert_good(&talker.chat(&ask("grok", true, "Hello")));
            assert_good(&talker.chat(&ask("grok", false, "Hello")));
            answers.fetch_add(2, Ordering::Relaxed);
        }
    });
    assert!(simulator.requests().iter().all(Recorded::is_signed));
    assert!(answers.into_inner() > 20);
    assert_eq!(account(&proxy, "vm")["failures"], 0);
}

/// The next token is under way and does not come: the old one serves, and nobody waits.
#[test]
fn a_request_never_waits_for_a_token() {
    let simulator = cloud(&[], 0);
    simulator.set_token_life(Duration::from_secs(8));
    let proxy = ready_instance(&simulator, "health_check_interval = 0");
    let gate = Gate::new();
    let held = gate.clone();
    simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
        is_federation(request).then(|| {
            Script::Steps(vec![
                Step::WaitFor(held.clone()),
                Step::Head {
                    status: 500,
                    content_type: "text/plain".to_owned(),
                    framing: Framing::Length(0),
                },
                Step::CloseCleanly,
            ])
        })
    })));
    assert!(simulator.wait_for(|simulator| tokens_given(simulator) == 2, DEADLINE));
    for _ in 0..5 {
        assert_eq!(hello(&proxy), "vm");
    }
    assert!(!gate.is_open() && tokens_given(&simulator) == 2);
    simulator.set_chooser(None);
    gate.open();
    assert!(simulator.wait_for(|simulator| tokens_given(simulator) >= 3, DEADLINE));
    wait_for_health(&proxy, "vm", true);
    assert_eq!(hello(&proxy), "vm");
}

/// What may be wrong with the services of an instance, and a word of the reason.
type Fault = (&'static str, fn(&Recorded) -> bool, Option<Script>);

#[test]
fn whatever_is_wrong_with_its_services_is_told_and_passes_by_itself() {
    let garbage = || {
        Some(Script::Status {
            status: 200,
            headers: Vec::new(),
            body: b"<html>\xff</html>".to_vec(),
        })
    };
    let faults: [Fault; 10] = [
        (
            "the metadata service has no /instance/region (status 404)",
            is_metadata,
            Some(error(404)),
        ),
        ("the metadata service has no", is_metadata, Some(error(500))),
        (
            "the metadata service does not answer",
            is_metadata,
            Some(Script::CloseBeforeHead),
        ),
        (
            "the metadata service's answer",
            is_metadata,
            Some(Script::GarbageHead),
        ),
        ("the metadata service's answer", is_metadata, garbage()),
        (
            "the federation service refuses the instance",
            is_federation,
            Some(error(401)),
        ),
        (
            "the federation service refuses the instance",
            is_federation,
            Some(error(500)),
        ),
        (
            "the federation service does not answer",
            is_federation,
            Some(Script::CloseBeforeHead),
        ),
        (
            "the federation service's answer is no token",
            is_federation,
            garbage(),
        ),
        ("a token that has expired", is_federation, None),
    ];
    let check = |(reason, of_whom, script): &Fault| {
        let simulator = cloud(&[], 0);
        simulator.set_token_life(Duration::ZERO);
        if let Some(script) = script.clone() {
            simulator.set_token_life(HOUR);
            let of_whom = *of_whom;
            simulator.set_chooser(Some(Arc::new(move |request: &Recorded| {
                of_whom(request).then(|| script.clone())
            })));
        }
        let proxy = instance(&simulator, "");
        let answer = proxy.chat(&ask("grok", false, "Hello"));
        answer.assert_error(503, Some("no_credential"));
        assert!(answer.header("retry-after").is_some());
        eventually(&format!("the reason {reason}"), || {
            let told = account(&proxy, "vm")["reason"].to_string();
            told.contains(reason)
        });
        proxy.wait_for_log(reason);
        simulator.set_chooser(None);
        simulator.set_token_life(HOUR);
        wait_for_health(&proxy, "vm", true);
        assert_eq!(hello(&proxy), "vm");
    };
    std::thread::scope(|scope| {
        for fault in &faults {
            scope.spawn(move || check(fault));
        }
    });
}

#[test]
fn a_clock_that_is_wrong_does_not_matter() {
    for offset in [-1200, 1200] {
        let simulator = cloud(&[], offset);
        simulator.set_token_life(Duration::from_secs(3));
        let proxy = ready_instance(&simulator, "health_check_interval = 0");
        while tokens_given(&simulator) < 4 {
            assert_eq!(hello(&proxy), "vm");
        }
    }
}

#[test]
fn a_refused_token_is_replaced_once() {
    let simulator = cloud(&["spare"], 0);
    simulator.set_token_of_wrong_key(true);
    let accounts = [("vm", vm(&simulator)), ("spare", pem(&simulator, "spare"))];
    let proxy = start(
        furnished(&config("health_check_interval = 0", &accounts)),
        &[],
    );
    wait_for_health(&proxy, "vm", true);
    simulator.set_token_of_wrong_key(false);
    assert_eq!(tokens_given(&simulator), 1);
    // The first of them meets the wrong key, and is served by the other.
    for _ in 0..4 {
        assert_eq!(hello(&proxy), "spare");
        if account(&proxy, "vm")["healthy"] == false {
            break;
        }
    }
    assert!(simulator.wait_for(|simulator| tokens_given(simulator) == 2, DEADLINE));
    // Without a health check and without a reset: the refusal was the old one's.
    wait_for_health(&proxy, "vm", true);
    let served: BTreeSet<_> = (0..6).map(|_| hello(&proxy)).collect();
    assert_eq!(served.len(), 2, "{served:?}");
    assert_eq!(tokens_given(&simulator), 2);
}

#[test]
fn a_session_follows_its_file() {
    let simulator = cloud(&[], 0);
    let dir = furnished(&config("", &[("s", session(&simulator, "token"))]));
    put(dir.path(), "token", &token(&simulator, "s", HOUR));
    let proxy = start(dir, &[]);
    assert_eq!(hello(&proxy), "s");
    let key = simulator.requests().pop().unwrap();
    assert!(key.header("authorization").unwrap().contains("keyId=\"ST$"));
    // Renewed, and the old one is good no more: no request notices.
    for _ in 0..3 {
        simulator.revoke_tokens("s");
        put(proxy.dir.path(), "token", &token(&simulator, "s", HOUR));
        assert_eq!(hello(&proxy), "s");
    }
    // Nobody renews it in time.
    put(
        proxy.dir.path(),
        "token",
        &token(&simulator, "s", Duration::from_secs(2)),
    );
    wait_for_health(&proxy, "s", false);
    let reason = account(&proxy, "s")["reason"].to_string();
    assert!(
        reason.contains("has expired: renew it with `oci session refresh`"),
        "{reason}"
    );
    let answer = proxy.chat(&ask("grok", false, "Hello"));
    answer.assert_error(503, Some("no_credential"));
    put(proxy.dir.path(), "token", &token(&simulator, "s", HOUR));
    wait_for_health(&proxy, "s", true);
    assert_eq!(hello(&proxy), "s");
}

#[test]
fn a_fleet_of_all_kinds_serves_while_one_of_each_fails() {
    let ids = ["pem1", "pem2"];
    let (good, bad) = (cloud(&ids, 0), cloud(&[], 0));
    good.set_token_life(Duration::from_secs(3));
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let failing = move |request: &Recorded| {
        let fails = is_of(request, "pem2") && is_broken.load(Ordering::Relaxed);
        fails.then(|| error(500))
    };
    good.set_chooser(Some(Arc::new(failing)));
    bad.set_chooser(Some(Arc::new(|request: &Recorded| {
        is_metadata(request).then(|| error(404))
    })));
    let accounts = [
        ("pem1", pem(&good, "pem1")),
        ("pem2", pem(&good, "pem2")),
        ("s1", session(&good, "token1")),
        ("s2", session(&good, "token2")),
        ("vm1", vm(&good)),
        ("vm2", vm(&bad)),
        ("key1", bearer(&good, "sk-test-good")),
        ("key2", bearer(&good, "sk-test-unknown")),
    ];
    good.add_api_key("sk-test-good", "key1");
    let global = "health_check_interval = 200ms\nupstream_api = auto";
    let dir = furnished(&config(global, &accounts));
    put(dir.path(), "token1", &token(&good, "s1", HOUR));
    put(dir.path(), "token2", &token(&good, "s2", HOUR));
    good.revoke_tokens("s2");
    let proxy = start(dir, &[]);
    let served = Mutex::new(BTreeSet::new());
    crowd(&proxy, 6, |number, talker: &mut Talker<'_>| {
        while tokens_given(&good) < 4 {
            let answer = talker.chat(&ask("grok", number % 2 == 0, "Hello"));
            assert_good(&answer);
            served.lock().unwrap().insert(served_by(&answer));
        }
    });
    let served: Vec<_> = served.into_inner().unwrap().into_iter().collect();
    assert_eq!(served, ["key1", "pem1", "s1", "vm1"]);
    let ill = [
        ("s2", "401"),
        ("vm2", "the metadata service has no"),
        ("key2", "401"),
    ];
    for (id, reason) in ill {
        wait_for_health(&proxy, id, false);
        let told = account(&proxy, id)["reason"].to_string();
        assert!(told.contains(reason), "{told}");
    }
    assert_eq!(account(&proxy, "key1")["healthy"], true);
    // Google's models are asked natively, which an API key cannot do: the others answer.
    for _ in 0..8 {
        let answer = proxy.chat(&ask("gemini", false, "Hello"));
        assert_good(&answer);
        assert_ne!(served_by(&answer), "key1");
    }
    // All that was wrong is put right, and all come back.
    broken.store(false, Ordering::Relaxed);
    bad.set_chooser(None);
    put(proxy.dir.path(), "token2", &token(&good, "s2", HOUR));
    for id in ["s2", "vm2"] {
        wait_for_health(&proxy, id, true);
    }
}

#[test]
fn a_reload_keeps_a_token_that_is_good_and_ends_one_that_nobody_needs() {
    let simulator = cloud(&["pem1"], 0);
    let (vm, pem) = (vm(&simulator), pem(&simulator, "pem1"));
    let both = config("", &[("vm", vm.clone()), ("pem1", pem.clone())]);
    let proxy = start(furnished(&both), &[]);
    let reload = |text: &str| {
        let count = || super::site::lines_with(&proxy, "Reloaded ");
        let before = count();
        write_private(&proxy.dir.path().join(FILE), text);
        proxy.signal("HUP");
        eventually("the reload", || count() > before);
    };
    let threads = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", proxy.pid())).unwrap();
        let names =
            tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name.trim() == "token").count()
    };
    wait_for_health(&proxy, "vm", true);
    assert_eq!(threads(), 1);
    let moved = vm + "compartment_id = ocid1.compartment.oc1..other\n";
    reload(&config("", &[("vm", moved), ("pem1", pem.clone())]));
    let served: BTreeSet<_> = (0..4).map(|_| hello(&proxy)).collect();
    assert_eq!(served.len(), 2, "{served:?}");
    assert_eq!((tokens_given(&simulator), threads()), (1, 1));
    let bodies = simulator.requests().into_iter();
    let mut bodies = bodies.map(|request| String::from_utf8_lossy(&request.body).into_owned());
    assert!(bodies.any(|body| body.contains("ocid1.compartment.oc1..other")));
    reload(&config("", &[("pem1", pem)]));
    eventually("the token's thread to end", || threads() == 0);
}

#[test]
fn an_api_key_of_the_service_makes_no_native_calls() {
    let simulator = cloud(&["pem1"], 0);
    let lines = [("key", bearer(&simulator, "sk-test-key"))];
    let proxy = start(
        furnished(&config("health_check_interval = 100ms", &lines)),
        &[],
    );
    let answer = proxy.chat(&ask("grok", false, "Hello"));
    answer.assert_error(404, Some("model_not_served"));
    let mixed = [
        ("key", bearer(&simulator, "sk-test-key")),
        ("pem1", pem(&simulator, "pem1")),
    ];
    let proxy = start(
        furnished(&config("health_check_interval = 100ms", &mixed)),
        &[],
    );
    let lists = |simulator: &Simulator| {
        let requests = simulator.requests().into_iter();
        requests
            .filter(|request| request.target == "/openai/v1/models")
            .inspect(|request| {
                assert_eq!(request.header("authorization"), Some("Bearer sk-test-key"))
            })
            .count()
    };
    // That the list is not there says nothing.
    assert!(simulator.wait_for(|simulator| lists(simulator) > 3, DEADLINE));
    assert_eq!(account(&proxy, "key")["healthy"], true);
    for _ in 0..4 {
        assert_eq!(hello(&proxy), "pem1");
    }
}

#[test]
fn a_check_has_a_row_for_each_kind() {
    let simulator = cloud(&["pem1"], 0);
    let accounts = [
        ("pem1", pem(&simulator, "pem1")),
        ("s", session(&simulator, "token")),
        ("vm", vm(&simulator)),
        ("key", bearer(&simulator, "sk-test-key")),
    ];
    let dir = furnished(&config("", &accounts));
    put(dir.path(), "token", &token(&simulator, "s", HOUR));
    let run = || {
        let ended = run(dir.path(), &["-multi-account", "-config", FILE, "-check"]);
        (ended.code, ended.stdout)
    };
    let row = |text: &str, id: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{id} ")));
        let words = line
            .unwrap_or_else(|| panic!("no {id} in {text}"))
            .split("  ");
        let words = words.map(str::trim).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let (code, text) = run();
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(
        row(&text, "s")[..4],
        ["s", "eu-frankfurt-1", "token, 59 min", "-"]
    );
    assert_eq!(
        row(&text, "vm")[..4],
        ["vm", "us-phoenix-1", "token, 19 min", "-"]
    );
    assert_eq!(
        row(&text, "key")[..4],
        ["key", "us-chicago-1", "API key", "-"]
    );
    assert!(text.contains("All 4 accounts are good."), "{text}");
    put(dir.path(), "token", &token(&simulator, "s", Duration::ZERO));
    simulator.set_chooser(Some(Arc::new(|request: &Recorded| {
        is_metadata(request).then(|| error(404))
    })));
    let (code, text) = run();
    assert_eq!(code, Some(1), "{text}");
    for id in ["s", "vm"] {
        assert_eq!(row(&text, id)[2], "NO TOKEN");
        assert!(row(&text, id).last().unwrap().contains("FAILS: no token"));
    }
    assert!(text.contains("oci session refresh") && text.contains("the metadata service has no"));
}
