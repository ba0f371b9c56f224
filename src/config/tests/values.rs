//! Each key's default, range and complaint.

use super::*;

#[test]
fn defaults_are_those_of_the_specification() {
    let (settings, warnings) = good(Mode::Single, &single("", ""));
    assert_eq!(warnings, Vec::<String>::new());
    let listen = &settings.listen;
    assert_eq!((listen.host.as_str(), listen.port), ("0.0.0.0", 8080));
    assert_eq!(
        (
            listen.max_connections,
            listen.max_request_bytes,
            listen.max_body_memory
        ),
        (2456, 32 << 20, 64 << 20)
    );
    assert_eq!(
        (listen.queue_timeout, listen.drain_delay),
        (secs(30), Duration::ZERO)
    );
    assert_eq!(
        (settings.workers.workers, settings.workers.queue_size),
        (200, 2000)
    );
    let dispatch = &settings.dispatch;
    assert_eq!(
        (dispatch.request_timeout, dispatch.stream_idle_timeout),
        (secs(60), secs(120))
    );
    assert_eq!(
        (dispatch.queue_timeout, dispatch.retry_attempts),
        (secs(30), 3)
    );
    assert_eq!(
        (settings.client.connect_timeout, settings.client.pool_size),
        (secs(10), 200)
    );
    assert_eq!(settings.fleet.health_check_interval, Some(secs(30)));
    let breaker = settings.fleet.breaker;
    assert_eq!((breaker.max_failures, breaker.reset_timeout), (5, secs(60)));
    assert_eq!((breaker.failure_rate, breaker.min_requests), (0.6, 10));
    let (settings, _) = good(Mode::Multi, &multi("", ""));
    let seat = &settings.accounts.first().unwrap().seat;
    assert_eq!(
        (
            seat.id.as_str(),
            seat.weight.get(),
            seat.max_concurrency.get()
        ),
        ("ACCOUNT_a", 1, 50)
    );
}

#[test]
fn every_value_of_global_arrives() {
    let global = "[global]\nGLOBAL_MAX_CONCURRENCY = 7\nqueue_size = 8\nqueue_timeout = 9s\nretry_attempts = 0\n\
        load_balance_strategy = Least_Connections\nhealth_check_interval = 0\nrequest_timeout = 500ms\nstream_idle_timeout = 11\n\
        connect_timeout = 1m\nmax_request_bytes = 1MiB\nmax_connections = 12\nmax_body_memory = 2MiB\ndrain_delay = 5s\n\
        force_non_stream = YES\ndefault_max_tokens = 13\ndefault_model = grok-4\n\
        [Circuit_Breaker]\nmax_failures = 14\nreset_timeout = 15s\nfailure_rate = 1\nmin_requests = 16\n";
    let (settings, warnings) = good(Mode::Single, &single("max_concurrency = 3\n", global));
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(
        common(&settings),
        "0.0.0.0:8080 12 1048576 2097152 9s 5s | 7 8 | 13 true | 500ms 11s 9s 0 60s 7 | FleetSettings { strategy: LeastConnections, \
         health_check_interval: None, breaker: BreakerSettings { max_failures: 14, reset_timeout: 15s, failure_rate: 1.0, min_requests: 16 } } | Text None"
    );
    assert_eq!(
        settings
            .accounts
            .first()
            .unwrap()
            .seat
            .max_concurrency
            .get(),
        3
    );
    assert!(settings.api.models.resolve("anything").is_some());
}

#[test]
fn what_depends_on_another_key_follows_it() {
    let (settings, _) = good(
        Mode::Single,
        &single(
            "",
            "[GLOBAL]\nglobal_max_concurrency = 4\nqueue_size = 6\nrequest_timeout = 7s\n",
        ),
    );
    assert_eq!(settings.listen.max_connections, 4 + 6 + 256);
    assert_eq!(settings.dispatch.stream_idle_timeout, secs(14));
    assert_eq!(settings.client.pool_size, 4);
    assert_eq!(
        settings
            .accounts
            .first()
            .unwrap()
            .seat
            .max_concurrency
            .get(),
        4
    );
    let (settings, _) = good(
        Mode::Single,
        &single("", "[GLOBAL]\nmax_request_bytes = 100MiB\n"),
    );
    assert_eq!(settings.listen.max_body_memory, 100 << 20);
    check_warnings(
        Mode::Single,
        &single("", "[GLOBAL]\nmax_body_memory = 1MiB\n"),
        &[
            "f:11: max_body_memory: less than max_request_bytes: a request between the two will never be taken",
        ],
    );
}

#[test]
fn values_out_of_range_are_errors_with_their_line() {
    for (key, value, problem) in [
        ("global_max_concurrency", "0", "expected 1 to 2000"),
        ("global_max_concurrency", "2001", "expected 1 to 2000"),
        ("queue_size", "0", "expected 1 to 100000"),
        ("queue_size", "100001", "expected 1 to 100000"),
        ("retry_attempts", "21", "expected 0 to 20"),
        (
            "load_balance_strategy",
            "random",
            "expected round_robin, weighted, least_connections",
        ),
        (
            "health_check_interval",
            "10ms",
            "expected 100ms to 24h, or 0 for none",
        ),
        (
            "health_check_interval",
            "25h",
            "expected 100ms to 24h, or 0 for none",
        ),
        ("request_timeout", "0", "expected 10ms to 1h"),
        (
            "queue_timeout",
            "soon",
            "expected a duration such as 500ms, 30s, 2m or 1h",
        ),
        ("stream_idle_timeout", "3h", "expected 10ms to 2h"),
        ("connect_timeout", "6m", "expected 10ms to 5m"),
        ("drain_delay", "2h", "expected 0 to 1h"),
        (
            "max_request_bytes",
            "2GiB",
            "expected 1024 to 1073741824 bytes",
        ),
        ("max_connections", "0", "expected 1 to 1000000"),
        ("default_max_tokens", "0", "expected 1 to 1000000"),
        ("force_non_stream", "perhaps", "expected true or false"),
        ("default_model", "gpt-9", "expected a name out of [MODELS]"),
        ("queue_size", "", "expected 1 to 100000"),
    ] {
        let text = single("", &format!("[GLOBAL]\n{key} = {value}\n"));
        check(
            Mode::Single,
            &text,
            &[&format!("f:11: {key}: {problem}, got {value:?}")],
        );
    }
    for (key, value, problem) in [
        ("max_failures", "0", "expected 1 to 1000000"),
        ("reset_timeout", "99ms", "expected 100ms to 24h"),
        ("failure_rate", "0", "expected 0.01 to 1"),
        ("min_requests", "1000001", "expected 1 to 1000000"),
    ] {
        let text = multi("", &format!("[CIRCUIT_BREAKER]\n{key} = {value}\n"));
        check(
            Mode::Multi,
            &text,
            &[&format!("f:11: {key}: {problem}, got {value:?}")],
        );
    }
    for (key, value, problem) in [
        ("weight", "0", "expected 1 to 1000"),
        ("weight", "1001", "expected 1 to 1000"),
        ("max_concurrency", "lots", "expected 1 to 10000"),
        ("enabled", "maybe", "expected true or false"),
        (
            "id",
            "my account",
            "expected 1 to 64 letters, digits and signs, without spaces",
        ),
        (
            "endpoint",
            "example.com",
            "expected an http or https URL without path and query, such as https://host.example:8443",
        ),
        (
            "compartment_id",
            "root",
            "expected an OCID such as ocid1.compartment.oc1..aaaa…",
        ),
    ] {
        check(
            Mode::Multi,
            &multi(&format!("{key} = {value}\n"), ""),
            &[&format!("f:10: {key}: {problem}, got {value:?}")],
        );
    }
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_their_lines() {
    let text = "stray\napi_key = k\n[GLOBAL]\nqueue_size = 0\nqueue_size = 1\n[MODELS]\na =\n[ACCOUNT_1]\nuser = me\nregion = here\nweight = x\n";
    check(
        Mode::Multi,
        text,
        &[
            "f:1: neither a key with a value nor a section, expected `key = value`",
            "f:4: queue_size: expected 1 to 100000, got \"0\"",
            "f:5: queue_size: already set at line 4, expected it once",
            "f:7: a: expected an OCI model id such as xai.grok-4, or id | FORMAT, got \"\"",
            "f:8: fingerprint: missing in [ACCOUNT_1], expected the fingerprint of the API key",
            "f:8: key_file: missing in [ACCOUNT_1], expected the path of the private key, a PEM file",
            "f:8: tenancy: missing in [ACCOUNT_1], expected the tenancy's OCID",
            "f:9: user: expected an OCID such as ocid1.user.oc1..aaaa…, got \"me\"",
            "f:10: region: expected a region such as us-chicago-1, or its three-letter code, got \"here\"",
            "f:11: weight: expected 1 to 1000, got \"x\"",
        ],
    );
}

#[test]
fn an_empty_file_says_all_that_is_missing() {
    let all = errors(Mode::Single, "");
    assert_eq!(all.len(), 6);
    assert!(all.contains(&"f:1: user: missing in [DEFAULT], expected the user's OCID".to_owned()));
    let models = "f:1: [MODELS]: missing: expected lines such as grok-4 = xai.grok-4, or * = auto; \
        add a [MODELS] section to this file, or use -config with a file of your own that has one";
    assert!(all.contains(&models.to_owned()));
    check(
        Mode::Multi,
        "",
        &[
            models,
            "f:1: [ACCOUNT_…]: no account, expected a section [ACCOUNT_…] for each one",
        ],
    );
    check(
        Mode::Single,
        &single("", "").replace("grok-4 = xai.grok-4", ""),
        &["f:8: [MODELS]: no models, expected lines such as grok-4 = xai.grok-4, or * = auto"],
    );
    check(
        Mode::Single,
        &single("", "").replace("k.pem", ""),
        &["f:5: key_file: empty, expected the path of the private key, a PEM file"],
    );
}

#[test]
fn a_secret_is_never_repeated() {
    let secret = "hunter2";
    for text in [
        single("", "").replace("api_key = k", &format!("api_key = {secret} {secret}")),
        single("", "").replace(
            "api_key = k",
            &format!("api_key = {secret},auto_generated_key"),
        ),
        single(
            &format!("pass_phrase = {secret}\npass_phrase = {secret}\n"),
            "",
        ),
        single("", &format!("[GLOBAL]\napi_key = {secret}\n")),
        single(&format!("key_content = {secret}\n{secret}\n"), ""),
        single("", &format!("api_key = {secret} {secret}\n")),
        single("", &format!("api_key: {secret}=\n")),
    ] {
        let errors = errors(Mode::Single, &text);
        assert!(!errors.is_empty(), "{text}");
        assert!(!errors.concat().contains(secret), "{errors:?}");
    }
    let (settings, _) = good(
        Mode::Single,
        &single(&format!("passphrase = {secret}\n"), ""),
    );
    let upstream = &settings.accounts.first().unwrap().upstream;
    assert_eq!(signing(upstream).pass_phrase, Some(Secret::new(secret)));
    assert!(
        !format!(
            "{:?} {:?}",
            signing(upstream).pass_phrase,
            settings.api.keys
        )
        .contains(secret)
    );
}

#[test]
fn a_secret_among_the_models_is_no_model() {
    check(
        Mode::Single,
        &single("", "API_KEY = hunter2\npass_phrase = hunter2\n"),
        &[
            "f:10: api_key: not the name of a model: this key belongs into [DEFAULT] or [GLOBAL]",
            "f:11: pass_phrase: not the name of a model: this key belongs into [DEFAULT]",
        ],
    );
}

#[test]
fn a_name_in_a_message_has_no_control_characters_and_a_bound() {
    for name in ["a\u{1b}b", &format!("a\u{1b}b{}", "c".repeat(50))] {
        let (_, warnings) = good(Mode::Single, &single(&format!("{name} = 1\n"), ""));
        let warning = warnings.first().unwrap();
        assert!(warning.contains("a\\u{1b}b"), "{warning}");
        let errors = errors(Mode::Single, &single("", &format!("{name} = two words\n")));
        let error = errors.first().unwrap();
        assert!(error.contains("a\\u{1b}b") && error.len() < 120, "{error}");
    }
}

#[test]
fn unknown_keys_and_sections_are_warned_about_with_the_nearest_name() {
    check_warnings(
        Mode::Multi,
        &multi(
            "max_concurency = 5\ncolour = red\nqueue_size = 5\nlog_requests = true\n",
            "[GLOBL]\nx = 1\n[GLOBAL]\nretry_attempt = 1\nmax_failures = 1\nweight = 1\napi_keys = x\nuser = me\n[ACCOUNT2]\n[Other]\n",
        ),
        &[
            "f:10: max_concurency: unknown key in [ACCOUNT_a], ignored; did you mean max_concurrency?",
            "f:11: colour: unknown key in [ACCOUNT_a], ignored",
            "f:12: queue_size: has no effect in [ACCOUNT_a], it belongs into [GLOBAL]",
            "f:14: [GLOBL]: unknown section, ignored; did you mean [GLOBAL]?",
            "f:17: retry_attempt: unknown key in [GLOBAL], ignored; did you mean retry_attempts?",
            "f:18: max_failures: has no effect in [GLOBAL], it belongs into [CIRCUIT_BREAKER]",
            "f:19: weight: has no effect in [GLOBAL], it belongs into an [ACCOUNT_…] section",
            "f:20: api_keys: unknown key in [GLOBAL], ignored; did you mean api_key?",
            "f:21: user: has no effect in [GLOBAL], it belongs into an [ACCOUNT_…] section",
            "f:22: [ACCOUNT2]: unknown section, ignored; did you mean [ACCOUNT_…]? An account's section is named so",
            "f:23: [Other]: unknown section, ignored",
        ],
    );
    check_warnings(
        Mode::Multi,
        &format!("queue_sise = 1\n{}", multi("", "")),
        &["f:1: queue_sise: unknown key before the first section, ignored"],
    );
    check_warnings(
        Mode::Single,
        &single("weight = 3\n", "[MODEL]\n"),
        &[
            "f:8: weight: has no effect in [DEFAULT], it belongs into an [ACCOUNT_…] section of a multi-account file",
            "f:11: [MODEL]: unknown section, ignored; did you mean [MODELS]?",
        ],
    );
}

#[test]
fn models_keep_their_order_and_format() {
    let text = single(
        "",
        "b = cohere.x | COHEREV2\nqwen3:8b = ocid1.generativeaiendpoint.oc1.us-chicago-1.a\nGrok-4 = xai.other\n",
    );
    let (settings, _) = good(Mode::Single, &text);
    let models = &settings.api.models;
    let names: Vec<&str> = models.names().map(|name| name.as_str()).collect();
    assert_eq!(names, ["grok-4", "b", "qwen3:8b", "Grok-4"]);
    assert_eq!(models.resolve("b").unwrap().1.format(), ApiFormat::CohereV2);
    assert_eq!(models.resolve("Grok-4").unwrap().1.id(), "xai.other");
    check(
        Mode::Single,
        &single("", "b = x | FANCY\n"),
        &[
            "f:10: b: expected GENERIC, COHERE or COHEREV2 after the |, or native, openai or auto, or one of each, got \"x | FANCY\"",
        ],
    );
}

#[test]
fn a_file_that_is_no_configuration_is_not_told_line_by_line() {
    let all = errors(Mode::Single, &"stray\n".repeat(100_000));
    assert_eq!(all.len(), 201);
    assert_eq!(
        all.last().unwrap(),
        "f: 200 problems, further ones are not shown"
    );
}
