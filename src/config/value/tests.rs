//! Tables of value forms.

#![cfg_attr(
    test,
    expect(clippy::unwrap_used, reason = "a test ends where it fails")
)]

use super::*;

#[test]
fn durations_have_a_unit_or_are_seconds() {
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    for (text, millis) in [
        ("500ms", 500),
        ("30s", 30_000),
        ("2m", 120_000),
        ("1h", 3_600_000),
        ("7", 7_000),
        ("30 S", 30_000),
        ("100ms", 100),
    ] {
        assert_eq!(
            duration(text, &range),
            Ok(Duration::from_millis(millis)),
            "{text}"
        );
    }
    for text in [
        "",
        "s",
        "1d",
        "-1s",
        "1.5s",
        "1m30s",
        "99999999999999999999",
        "18446744073709551615h",
    ] {
        assert_eq!(
            duration(text, &range),
            Err("expected a duration such as 500ms, 30s, 2m or 1h".to_owned()),
            "{text}"
        );
    }
    for text in ["0", "99ms", "3601", "2h"] {
        assert_eq!(
            duration(text, &range),
            Err("expected 100ms to 1h".to_owned()),
            "{text}"
        );
    }
    assert_eq!(
        ["0", "90s", "2m", "24h"]
            .map(|text| duration_text(duration(text, &(Duration::ZERO..=Duration::MAX)).unwrap())),
        ["0", "90s", "2m", "24h"]
    );
}

#[test]
fn sizes_count_in_powers_of_two() {
    let range = 1..=2 << 30;
    for (text, bytes) in [
        ("1000", 1000),
        ("512B", 512),
        ("1k", 1 << 10),
        ("32MiB", 32 << 20),
        ("32 mb", 32 << 20),
        ("64M", 64 << 20),
        ("1GiB", 1 << 30),
    ] {
        assert_eq!(size(text, &range), Ok(bytes), "{text}");
    }
    for text in ["", "lots", "1TB", "-1", "1.5M"] {
        assert!(
            size(text, &range)
                .unwrap_err()
                .starts_with("expected a size"),
            "{text}"
        );
    }
    for text in ["0", "3GiB", "18446744073709551615K"] {
        assert_eq!(
            size(text, &range),
            Err("expected 1 to 2147483648 bytes".to_owned()),
            "{text}"
        );
    }
}

#[test]
fn booleans_have_eight_words() {
    for (text, value) in [
        ("true", true),
        ("YES", true),
        ("On", true),
        ("1", true),
        ("false", false),
        ("no", false),
        ("OFF", false),
        ("0", false),
    ] {
        assert_eq!(boolean(text), Ok(value), "{text}");
    }
    for text in ["", "2", "ja", "truee"] {
        assert!(boolean(text).is_err(), "{text}");
    }
}

#[test]
fn numbers_keep_their_range() {
    assert_eq!(integer("10000", &(1..=10_000)), Ok(10_000));
    for text in ["0", "10001", "-1", "lots", "", "1.0", "4294967296"] {
        assert_eq!(
            integer(text, &(1..=10_000)),
            Err("expected 1 to 10000".to_owned()),
            "{text}"
        );
    }
    assert_eq!(fraction("0.6", &(0.01..=1.0)), Ok(0.6));
    assert_eq!(fraction("1", &(0.01..=1.0)), Ok(1.0));
    for text in ["0", "1.01", "NaN", "inf", "60%", ""] {
        assert_eq!(
            fraction(text, &(0.01..=1.0)),
            Err("expected 0.01 to 1".to_owned()),
            "{text}"
        );
    }
}

#[test]
fn ocids_are_checked_leniently() {
    for text in [
        "ocid1.user.oc1..xxxxx1",
        "ocid1.tenancy.oc1..aaaaaaaatest",
        "ocid1.compartment.oc19.eu-x-1.a-b_c",
    ] {
        assert_eq!(ocid(text, "user"), Ok(text.to_owned()));
    }
    for text in [
        "me",
        "ocid1",
        "ocid1.user oc1",
        "ocid1.user/x",
        "ocid2.user.oc1..x",
    ] {
        assert_eq!(
            ocid(text, "user"),
            Err("expected an OCID such as ocid1.user.oc1..aaaa…".to_owned()),
            "{text}"
        );
    }
    let placeholder = ocid("ocid1.user.oc1..your_user_ocid", "user").unwrap_err();
    assert_eq!(
        placeholder,
        "still the sample's placeholder; expected an OCID such as ocid1.user.oc1..aaaa…"
    );
}

#[test]
fn fingerprints_are_sixteen_pairs() {
    let lower = "aa:bb:cc:dd:ee:ff:11:22:33:44:55:66:77:88:99:00";
    assert_eq!(fingerprint(lower), Ok(lower.to_owned()));
    assert_eq!(
        fingerprint(&lower.to_ascii_uppercase()),
        Ok(lower.to_owned())
    );
    for text in [
        "",
        &lower[3..],
        &format!("{lower}:00"),
        &lower.replace(':', ""),
        &lower.replace("aa", "ag"),
        &lower.replace("aa", "aéa"),
    ] {
        assert!(
            fingerprint(text)
                .unwrap_err()
                .starts_with("expected 16 pairs"),
            "{text}"
        );
    }
    assert!(
        fingerprint("your_key_fingerprint")
            .unwrap_err()
            .starts_with("still the sample's placeholder; expected 16")
    );
}

#[test]
fn key_files_are_relative_to_the_base_or_to_the_home() {
    let (base, home) = (Path::new("/etc/oci"), Path::new("/home/me"));
    for (text, path) in [
        ("./1.pem", "/etc/oci/1.pem"),
        ("keys/1.pem", "/etc/oci/keys/1.pem"),
        ("/abs/1.pem", "/abs/1.pem"),
        ("~/.oci/1.pem", "/home/me/.oci/1.pem"),
        ("~", "/home/me"),
        ("a~b.pem", "/etc/oci/a~b.pem"),
    ] {
        assert_eq!(
            key_file(text, base, Some(home)),
            Ok(PathBuf::from(path)),
            "{text}"
        );
    }
    assert!(key_file("~you/1.pem", base, Some(home)).is_err());
    assert!(
        key_file("~/1.pem", base, None)
            .unwrap_err()
            .contains("no home directory")
    );
    assert!(
        key_file("./your_private_key.pem", base, None)
            .unwrap_err()
            .starts_with("still the sample's placeholder")
    );
}

#[test]
fn endpoints_are_a_scheme_and_an_authority() {
    for (text, url) in [
        (
            "https://inference.example.com",
            "https://inference.example.com",
        ),
        ("http://127.0.0.1:9000/", "http://127.0.0.1:9000"),
        ("HTTPS://host:1", "https://host:1"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("http://[::1]", "http://[::1]"),
    ] {
        assert_eq!(endpoint(text), Ok(url.to_owned()), "{text}");
    }
    for text in [
        "",
        "host",
        "ftp://host",
        "https://",
        "https:///",
        "http://h/20231130",
        "http://h?x",
        "http://h#x",
        "http://u@h",
        "http://h:",
        "http://h:0",
        "http://h:65536",
        "http://h:+1",
        "http://h h",
        "http://[::1",
        "http://[x]",
        "http://[::1]x",
        "http://h//",
        "://h",
    ] {
        assert!(
            endpoint(text)
                .unwrap_err()
                .starts_with("expected an http or https URL"),
            "{text}"
        );
    }
}

#[test]
fn models_may_force_a_format_and_an_api() {
    let plain = |text: &str| {
        let model = model(text)?;
        Ok::<_, String>((model.id, model.format, model.api))
    };
    let id = || "a.b".to_owned();
    assert_eq!(plain("a.b"), Ok((id(), None, None)));
    for (word, format) in [
        ("GENERIC", ApiFormat::Generic),
        ("cohere", ApiFormat::Cohere),
        ("CohereV2", ApiFormat::CohereV2),
    ] {
        for text in [format!("a.b | {word}"), format!("a.b|{word}")] {
            assert_eq!(plain(&text), Ok((id(), Some(format), None)), "{text}");
        }
    }
    for (word, api) in [
        ("native", UpstreamApi::Native),
        ("OpenAI", UpstreamApi::OpenAi),
        ("auto", UpstreamApi::Auto),
    ] {
        let text = format!("a.b | {word}");
        assert_eq!(plain(&text), Ok((id(), None, Some(api))), "{text}");
    }
    let both = (id(), Some(ApiFormat::CohereV2), Some(UpstreamApi::Native));
    assert_eq!(plain("a.b | COHEREV2 | native"), Ok(both.clone()));
    assert_eq!(plain("a.b | native|cohereV2"), Ok(both));
    for text in ["", "two words", "| COHERE"] {
        let told = model(text).unwrap_err();
        assert!(told.starts_with("expected an OCI model id"), "{text}");
    }
    for text in ["a |", "a | b", "a | COHERE | COHEREV2", "a | auto | native"] {
        let told = model(text).unwrap_err();
        assert!(
            told.starts_with("expected GENERIC, COHERE or COHEREV2"),
            "{text}"
        );
    }
    let told = model("a | openai | GENERIC").unwrap_err();
    assert!(told.starts_with("expected a format only"), "{told}");
}

#[test]
fn an_api_and_its_path_have_few_names() {
    assert_eq!(upstream_api("AUTO"), Ok(UpstreamApi::Auto));
    assert_eq!(openai_path("/openai/v1/"), Ok(OpenAiPath::OpenAi));
    assert_eq!(openai_path("/20231130/actions/v1"), Ok(OpenAiPath::Actions));
    assert!(upstream_api("both").is_err() && openai_path("/v1").is_err());
}

#[test]
fn account_ids_fit_into_a_header() {
    for text in ["ACCOUNT_1", "primary_us_phoenix", "a.b-c@d"] {
        assert_eq!(account_id(text), Ok(text.to_owned()));
    }
    for text in ["", "a b", "主账户", &"x".repeat(MAX_ID_LEN + 1)] {
        assert!(account_id(text).is_err(), "{text}");
    }
}

#[test]
fn api_keys_are_a_list() {
    let keys = |text| {
        api_keys(text).map(|keys| {
            keys.iter()
                .map(|key| key.expose().to_owned())
                .collect::<Vec<_>>()
        })
    };
    assert_eq!(keys("one"), Ok(vec!["one".to_owned()]));
    assert_eq!(
        keys("one, two,three,"),
        Ok(vec!["one".to_owned(), "two".to_owned(), "three".to_owned()])
    );
    for text in [",", "two words", "schlüssel"] {
        assert!(
            keys(text)
                .unwrap_err()
                .starts_with("expected keys of printable ASCII"),
            "{text}"
        );
    }
    assert!(
        keys("one,auto_generated_key")
            .unwrap_err()
            .contains("stands among other keys")
    );
}
