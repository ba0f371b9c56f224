//! What a demo consists of: its files, its simulator, its banner. How its accounts fare is tested beside `troubles`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use super::*;
use crate::config::{self, Mode};
use crate::simulator::{Recorded, Script};

#[test]
fn a_demo_has_private_files_a_simulator_and_a_banner_and_cleans_up() {
    let demo = prepare().unwrap();
    let config = fs::read_to_string(demo.config_path()).unwrap();
    let endpoint = format!("endpoint = {}\n", demo._simulator.endpoint());
    assert_eq!(config.matches(&endpoint).count(), DEMO_ACCOUNTS);
    assert!(config.contains("gpt-oss-120b = openai.gpt-oss-120b\ngpt-5.6 = openai.gpt-5.6\n"));
    assert!(config.contains("command-a-vision = cohere.command-a-vision-07-2025\n"));
    assert_eq!(demo.api_key.len(), 32);
    assert!(demo.config_path().ends_with("multi_config.conf"));
    let directory = demo.config_path().parent().unwrap().to_owned();
    for number in 1..=DEMO_ACCOUNTS {
        let key_file = directory.join(format!("DEMO_{number}.pem"));
        let pem = fs::read_to_string(&key_file).unwrap();
        let account = Account::from_pem("x", &pem).unwrap();
        assert!(config.contains(&format!("fingerprint = {}\n", account.fingerprint)));
        #[cfg(unix)]
        assert_eq!(mode(&key_file), 0o600);
    }
    #[cfg(unix)]
    {
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(demo.config_path()), 0o600);
    }
    check_banner(&demo.banner("http://127.0.0.1:8080/v1/"), &demo.api_key);
    drop(demo);
    assert!(!directory.exists());
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn check_banner(banner: &str, api_key: &str) {
    let commands: Vec<_> = banner
        .lines()
        .filter(|line| line.starts_with("curl "))
        .collect();
    assert_eq!(commands.len(), 4, "{banner}");
    assert!(
        commands
            .iter()
            .take(3)
            .all(|command| command.contains(api_key)),
        "{banner}"
    );
    assert!(
        commands[2].starts_with("curl -N http://127.0.0.1:8080/v1/chat/completions -H"),
        "{banner}"
    );
    assert_eq!(
        commands[3], "curl http://127.0.0.1:8080/stats/accounts",
        "{banner}"
    );
    assert!(banner.contains("\"simulate throttling\""), "{banner}");
    assert!(
        banner.contains("\nDashboard: http://127.0.0.1:8080/ (its chat"),
        "{banner}"
    );
    assert!(
        banner.contains("three made accounts, of which DEMO_2 throttles and DEMO_3 dies"),
        "{banner}"
    );
}

#[test]
fn the_configuration_of_a_demo_is_read_without_a_warning() {
    let demo = prepare().unwrap();
    let loaded = config::load(demo.config_path(), Mode::Multi).unwrap();
    assert!(loaded.warnings.is_empty());
    assert_eq!(loaded.api_key, config::ApiKeyOrigin::Configured);
    let settings = loaded.settings;
    assert_eq!(settings.api.keys.len(), 1);
    assert_eq!(settings.api.keys[0].expose(), demo.api_key);
    let second = Duration::from_secs(1);
    assert_eq!(settings.fleet.health_check_interval, Some(5 * second));
    assert_eq!(settings.fleet.breaker.reset_timeout, 10 * second);
    let accounts: Vec<_> = settings
        .accounts
        .iter()
        .map(|account| {
            let seat = &account.seat;
            (
                account.section.as_str(),
                seat.id.as_str(),
                seat.weight.get(),
                seat.max_concurrency.get(),
            )
        })
        .collect();
    let expected = [
        ("ACCOUNT_1", "DEMO_1", 3, 50),
        ("ACCOUNT_2", "DEMO_2", 2, 30),
        ("ACCOUNT_3", "DEMO_3", 1, 20),
    ];
    assert_eq!(accounts, expected);
    let text = fs::read_to_string(demo.config_path()).unwrap();
    let regions: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("region = "))
        .collect();
    assert_eq!(regions, ["us-chicago-1", "us-phoenix-1", "eu-frankfurt-1"]);
}

#[test]
fn each_account_has_a_count_of_its_own_of_chat_calls_alone() {
    let chooser = chooser(Instant::now());
    let ask = |account: Option<&str>, target: &str| {
        let request = Recorded {
            method: "GET".to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Arc::default(),
            account: account.map(str::to_owned),
            refusal: None,
            when: Instant::now(),
        };
        chooser(&request).map(|script| match script {
            Script::Status { status, .. } => status,
            other => unreachable!("{other:?}"),
        })
    };
    let chat = "/20231130/actions/chat";
    let (mut throttled, mut well) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        assert_eq!(ask(Some("DEMO_2"), "/20231130/models?limit=1"), None);
        throttled.push(ask(Some("DEMO_2"), chat));
        well.push(ask(Some("DEMO_1"), chat));
    }
    let busy = Some(429);
    assert_eq!(throttled, [None, None, busy, None, None, busy]);
    assert_eq!(well, [None; 6]);
    assert_eq!(ask(None, chat), None);
}
