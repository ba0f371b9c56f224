//! How a fleet starts: its lines in the log, accounts that cannot start, and accounts that are switched off.

use std::fs;
use std::process::Stdio;
use std::sync::Arc;

use ociai_proxy::simulator::{Gate, Simulator};

use super::site::{
    Config, FILE, NOWHERE, account, chats, fleet, hello, is_chat, lines_with, list_after,
    simulator_of, stats,
};
use crate::harness::{DEADLINE, PEM, Proxy, TempDir, eventually, program};

const ALL: [&str; 3] = ["a1", "a2", "a3"];

/// Requests for a list that have reached the simulator.
fn probes(simulator: &Simulator) -> usize {
    let requests = simulator.requests();
    requests.iter().filter(|request| !is_chat(request)).count()
}

/// The messages of the log without their dates and without the lines of single requests.
fn messages(proxy: &Proxy) -> Vec<String> {
    let lines = proxy.log().into_iter();
    let lines = lines.filter(|line| !line.contains(" attempts="));
    lines
        .map(|line| line.splitn(3, ' ').nth(2).unwrap().to_owned())
        .collect()
}

#[test]
fn a_fleet_tells_its_accounts_at_the_start_and_serves_before_the_first_checks_have_ended() {
    let simulator = simulator_of(&ALL);
    let gate = Gate::new();
    let held = gate.clone();
    simulator.set_chooser(Some(Arc::new(move |request| {
        (!is_chat(request)).then(|| list_after(&held))
    })));
    let proxy = Config::of(&simulator, &ALL)
        .global("health_check_interval = 30s")
        .account("a1", "weight = 3")
        .account("a2", "weight = 2\nmax_concurrency = 30")
        .start();
    assert!(simulator.wait_for(|simulator| probes(simulator) >= 3, DEADLINE));
    let health = proxy.get("/health").json();
    assert_eq!(
        (&health["status"], &health["mode"]),
        (&"ok".into(), &"multi".into())
    );
    assert_eq!(proxy.get("/ready").status, 200);
    assert_eq!(hello(&proxy), "a1");
    assert_eq!(lines_with(&proxy, "健康账户数量"), 0);
    gate.open();
    proxy.wait_for_log("健康账户数量: 3/3");
    assert_eq!(
        messages(&proxy),
        [
            "OCI AI 代理服务启动...",
            "多账户模式: true",
            "初始化多账户模式...",
            "加载账户配置: ACCOUNT_1 (权重: 3, 最大并发: 50)",
            "加载账户配置: ACCOUNT_2 (权重: 2, 最大并发: 30)",
            "加载账户配置: ACCOUNT_3 (权重: 1, 最大并发: 50)",
            &format!("Starting server on port {}", proxy.address.port()),
            "健康账户数量: 3/3",
        ]
    );
    let health = proxy.get("/health").json();
    assert_eq!(health["accounts"]["healthy"], 3);
    assert_eq!(health["accounts"]["total"], 3);
}

#[test]
fn without_an_interval_there_are_no_checks_at_all() {
    let (simulator, proxy) = fleet(&ALL, "", "");
    // The watching thread looks at the accounts all the same, and would have asked before it tells this.
    proxy.wait_for_log("健康账户数量: 3/3");
    for _ in 0..6 {
        hello(&proxy);
    }
    assert_eq!(probes(&simulator), 0);
}

#[test]
fn an_account_whose_key_is_missing_is_left_out_and_the_others_serve() {
    let simulator = simulator_of(&ALL);
    let proxy = Config::of(&simulator, &ALL)
        .global("health_check_interval = 30s")
        .account("a2", "key_file = ./no.pem")
        .start();
    let told = proxy.wait_for_log("account a2");
    assert!(told.contains("no.pem") && told.contains(FILE), "{told}");
    proxy.wait_for_log("健康账户数量: 2/3");
    let by: Vec<String> = (0..4).map(|_| hello(&proxy)).collect();
    assert_eq!(by, ["a1", "a3", "a1", "a3"]);
    let broken = account(&proxy, "a2");
    assert_eq!(broken["state"], "unusable");
    assert_eq!(
        (&broken["healthy"], &broken["requests"]),
        (&false.into(), &0.into())
    );
    assert!(
        broken["reason"].as_str().unwrap().contains("no.pem"),
        "{broken}"
    );
    assert!(broken["unavailable_until"].is_null());
    let health = proxy.get("/health").json();
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["accounts"]["healthy"], 2);
    assert_eq!(health["accounts"]["total"], 3);
    assert!(
        simulator
            .requests()
            .iter()
            .all(|request| request.account.as_deref() != Some("a2"))
    );
}

#[test]
fn a_fleet_of_which_no_key_loads_does_not_start_and_tells_every_problem() {
    let simulator = simulator_of(&ALL);
    let config = Config::of(&simulator, &["a1", "a2"])
        .account("a1", "key_file = ./no.pem")
        .account("a2", "key_file = ./other.pem");
    let dir: TempDir = config.dir();
    fs::write(dir.path().join("other.pem"), &PEM[..200]).unwrap();
    let mut child = program(dir.path())
        .args([
            "-multi-account",
            "-config",
            FILE,
            "-port",
            "0",
            "-host",
            "127.0.0.1",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    eventually("the program to give up", || {
        child.try_wait().unwrap().is_some()
    });
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    for (id, file) in [("a1", "no.pem"), ("a2", "other.pem")] {
        let its = stderr
            .lines()
            .filter(|line| line.contains(&format!("account {id}")));
        let its: Vec<_> = its.collect();
        assert_eq!(its.len(), 1, "{stderr}");
        assert!(its[0].contains(file), "{stderr}");
    }
}

#[test]
fn a_disabled_account_is_shown_and_never_asked() {
    let simulator = simulator_of(&ALL);
    let proxy = Config::of(&simulator, &["a1", "a3"])
        .global("health_check_interval = 30s")
        .with("a2", NOWHERE, "enabled = no\nkey_file = ./no.pem")
        .start();
    proxy.wait_for_log("健康账户数量: 2/2");
    for _ in 0..4 {
        hello(&proxy);
    }
    assert_eq!(chats(&simulator), ["a1", "a3", "a1", "a3"]);
    let parked = account(&proxy, "a2");
    assert_eq!(parked["state"], "disabled");
    assert_eq!(
        (&parked["enabled"], &parked["healthy"]),
        (&false.into(), &false.into())
    );
    assert_eq!(lines_with(&proxy, "加载账户配置"), 2);
    assert_eq!(proxy.get("/health").json()["accounts"]["total"], 2);
    assert_eq!(
        stats(&proxy, "accounts")["accounts"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
}
