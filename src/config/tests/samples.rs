//! The files that users have: the samples, and `~/.oci/config`.

use super::*;

#[test]
fn the_single_sample_loads_once_its_placeholders_are_replaced() {
    for text in [SAMPLE, OWN] {
        let (settings, warnings) = good(Mode::Single, &with_placeholders_replaced(text));
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(settings.api.models.names().count(), 5);
        assert!(settings.api.models.resolve("grok-3-mini-fast").is_some());
        assert!(settings.api.models.resolve("gpt-4").is_none());
        assert_eq!(
            (
                settings.rules.default_max_tokens,
                settings.rules.force_non_stream
            ),
            (4000, false)
        );
        let [account] = settings.accounts.as_slice() else {
            panic!("not one account")
        };
        assert_eq!(
            (account.section.as_str(), account.seat.id.as_str()),
            ("DEFAULT", "default")
        );
        assert_eq!(
            (
                account.seat.weight.get(),
                account.seat.max_concurrency.get()
            ),
            (1, 200)
        );
        assert_eq!(signing(&account.upstream).user, "ocid1.user.oc1..u");
        assert_eq!(
            signing(&account.upstream).key_file,
            Path::new("/base/./mine.pem")
        );
        assert_eq!(
            account.upstream.region.as_ref().unwrap().as_str(),
            "us-phoenix-1"
        );
        assert_eq!(
            account.upstream.compartment_id.as_deref(),
            Some("ocid1.tenancy.oc1..t")
        );
        assert!(account.upstream.endpoint.is_none() && account.upstream.control_endpoint.is_none());
    }
}

#[test]
fn of_the_single_sample_only_the_placeholders_are_complained_about() {
    check(
        Mode::Single,
        SAMPLE,
        &[
            r#"f:3: user: still the sample's placeholder; expected an OCID such as ocid1.user.oc1..aaaa…, got "ocid1.user.oc1..your_user_ocid""#,
            r#"f:4: fingerprint: still the sample's placeholder; expected 16 pairs of hex digits with colons between, as the OCI console shows it, got "your_key_fingerprint""#,
            r#"f:5: key_file: still the sample's placeholder; expected the path of your private key, a PEM file, got "./your_private_key.pem""#,
            r#"f:6: tenancy: still the sample's placeholder; expected an OCID such as ocid1.tenancy.oc1..aaaa…, got "ocid1.tenancy.oc1..your_tenancy_ocid""#,
        ],
    );
    let own = errors(Mode::Single, OWN);
    assert_eq!(own.len(), 4);
    assert!(
        own.iter()
            .all(|error| error.contains("still the sample's placeholder"))
    );
}

#[test]
fn the_multi_sample_loads_as_it_is() {
    let (settings, warnings) = good(Mode::Multi, MULTI_SAMPLE);
    let public = "f:2: api_key: the key of the sample file, which everybody knows: choose your own, or write auto_generated_key";
    assert_eq!(warnings, [public]);
    assert_eq!(settings.api.keys, [Secret::new("multi_account_proxy_key")]);
    let (own, warnings) = good(Mode::Multi, OWN_MULTI);
    assert_eq!(warnings, Vec::<String>::new());
    for settings in [settings, own] {
        assert_eq!(settings.api.models.names().count(), 5);
        assert_eq!(
            (settings.workers.workers, settings.workers.queue_size),
            (200, 2000)
        );
        assert_eq!(settings.fleet.strategy, Strategy::RoundRobin);
        assert_eq!(settings.fleet.breaker.failure_rate, 0.6);
        let accounts: Vec<_> = settings
            .accounts
            .iter()
            .map(|account| {
                let (seat, upstream) = (&account.seat, &account.upstream);
                let limits = (seat.weight.get(), seat.max_concurrency.get());
                (
                    account.section.as_str(),
                    seat.id.as_str(),
                    limits,
                    upstream.region.as_ref().unwrap().as_str(),
                    signing(upstream).user,
                )
            })
            .collect();
        assert_eq!(
            accounts,
            [
                (
                    "ACCOUNT_1",
                    "primary_us_phoenix",
                    (3, 50),
                    "us-phoenix-1",
                    "ocid1.user.oc1..xxxxx1".to_owned()
                ),
                (
                    "ACCOUNT_2",
                    "secondary_us_chicago",
                    (2, 30),
                    "us-chicago-1",
                    "ocid1.user.oc1..xxxxx2".to_owned()
                ),
                (
                    "ACCOUNT_3",
                    "backup_eu_frankfurt",
                    (1, 20),
                    "eu-frankfurt-1",
                    "ocid1.user.oc1..xxxxx3".to_owned()
                ),
            ]
        );
    }
}

/// A sample file must not tell its readers a default that the program does not have.
#[test]
fn the_commented_keys_of_our_samples_are_known_and_show_the_defaults() {
    let optional = |line: &&str| {
        line.strip_prefix("# ")
            .and_then(|line| line.split_once(" ="))
            .is_some_and(|(key, _)| {
                key.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            })
    };
    for (mode, text, count) in [(Mode::Single, OWN, 30), (Mode::Multi, OWN_MULTI, 19)] {
        let text = with_placeholders_replaced(text);
        assert_eq!(text.lines().filter(optional).count(), count);
        let lines = text.lines().map(|line| {
            if optional(&line) {
                line.trim_start_matches("# ")
            } else {
                line
            }
        });
        let (all, warnings) = good(mode, &lines.collect::<Vec<_>>().join("\n"));
        assert_eq!(warnings, Vec::<String>::new());
        let (plain, _) = good(mode, &text);
        assert_eq!(common(&all), common(&plain));
        let slots = |settings: &Settings| {
            settings
                .accounts
                .iter()
                .map(|a| a.seat.max_concurrency.get())
                .collect::<Vec<_>>()
        };
        assert_eq!(slots(&all), slots(&plain));
    }
}

#[test]
fn a_plain_oci_config_needs_nothing_but_models() {
    let models = "f:1: [MODELS]: missing: expected lines such as grok-4 = xai.grok-4, or * = auto; \
        add a [MODELS] section to this file, or use -config with a file of your own that has one";
    for text in [BASIC, PROFILES] {
        check(Mode::Single, text, &[models]);
        let read = read(Mode::Single, &format!("{text}\n{MODELS}"))
            .unwrap_or_else(|errors| panic!("{errors:?}"));
        let account = read.settings.accounts.first().unwrap();
        assert_eq!(
            signing(&account.upstream).fingerprint,
            "89:00:f8:85:df:37:74:24:13:17:a2:01:64:8a:92:48"
        );
        assert_eq!(
            signing(&account.upstream).key_file,
            Path::new("/home/me/.oci/oci_api_key.pem")
        );
        assert_eq!(
            account.upstream.region.as_ref().unwrap().as_str(),
            "us-chicago-1"
        );
        assert!(signing(&account.upstream).pass_phrase.is_none());
        assert!(read.slot.is_some());
    }
    let profiles = format!("{PROFILES}\n{MODELS}");
    let expected = [
        (11, "ENCRYPTED"),
        (16, "SHORT_REGION"),
        (20, "SESSION"),
        (28, "PERCENT"),
    ]
    .map(|(line, name)| {
        format!("f:{line}: [{name}]: another profile, ignored: only [DEFAULT] is used")
    });
    assert_eq!(good(Mode::Single, &profiles).1, expected);
    let foreign =
        single("log_requests = true\nadditional_user_agent = x\n", "").replace(" = ", ":");
    check_warnings(Mode::Single, &foreign, &[]);
}
