//! Which accounts a file yields, and in which mode.

use super::*;

#[test]
fn the_wrong_mode_is_one_clear_error() {
    check(
        Mode::Single,
        MULTI_SAMPLE,
        &["f:26: [ACCOUNT_1]: this is a multi-account file: start with -multi-account"],
    );
    let problem = "f:1: [DEFAULT]: this is a single-account file: start without -multi-account, or give each account a section [ACCOUNT_…]";
    check(Mode::Multi, SAMPLE, &[problem]);
    check(Mode::Multi, &single("", ""), &[problem]);
}

#[test]
fn accounts_inherit_credentials_from_default() {
    let default = format!(
        "[DEFAULT]\n{}pass_phrase = p\nendpoint = http://h:1/\nsecurity_token_file = t\n",
        credentials()
    );
    let text = format!(
        "api_key = k\n{MODELS}{default}[ACCOUNT_1]\n[ACCOUNT_2]\nregion = FRA\ncompartment_id = ocid1.compartment.oc1..c\ncontrol_endpoint = https://c\n"
    );
    let (settings, warnings) = good(Mode::Multi, &text);
    assert_eq!(warnings, Vec::<String>::new());
    let [one, two] = settings.accounts.as_slice() else {
        panic!("not two accounts")
    };
    for account in [one, two] {
        assert_eq!(signing(&account.upstream).user, "ocid1.user.oc1..u");
        assert_eq!(
            signing(&account.upstream).key_file,
            Path::new("/base/k.pem")
        );
        assert_eq!(
            signing(&account.upstream).pass_phrase,
            Some(Secret::new("p"))
        );
        assert_eq!(account.upstream.endpoint.as_deref(), Some("http://h:1"));
    }
    let of = |account: &AccountSettings| {
        let upstream = &account.upstream;
        (
            upstream.region.as_ref().unwrap().as_str().to_owned(),
            upstream.compartment_id.clone(),
            upstream.control_endpoint.clone().unwrap(),
        )
    };
    assert_eq!(
        of(one),
        (
            "us-chicago-1".to_owned(),
            Some("ocid1.tenancy.oc1..t".to_owned()),
            "http://h:1".to_owned()
        )
    );
    assert_eq!(
        of(two),
        (
            "eu-frankfurt-1".to_owned(),
            Some("ocid1.compartment.oc1..c".to_owned()),
            "https://c".to_owned()
        )
    );
    // One bad value that two accounts inherit is one problem.
    let region =
        "f:8: region: expected a region such as us-chicago-1, or its three-letter code, got \"x\"";
    let bad = text
        .replace("us-chicago-1", "x")
        .replace("FRA", "")
        .replace("region = \n", "");
    let bad_line = bad.lines().position(|line| line == "region = x").unwrap() + 1;
    check(
        Mode::Multi,
        &bad,
        &[&region.replace("f:8", &format!("f:{bad_line}"))],
    );
}

#[test]
fn account_ids_are_unique_and_one_account_is_enabled() {
    let second = format!("[ACCOUNT_b]\nid = ACCOUNT_a\n{}", credentials());
    check(
        Mode::Multi,
        &multi("", &second),
        &[
            "f:11: id: the account at line 4 has this id too, expected a unique one, got \"ACCOUNT_a\"",
        ],
    );
    check(
        Mode::Multi,
        &multi("", &second).replace("ACCOUNT_b]", "ACCOUNT_b]\nenabled = no"),
        &[
            "f:12: id: the account at line 4 has this id too, expected a unique one, got \"ACCOUNT_a\"",
        ],
    );
    check(
        Mode::Multi,
        &multi("enabled = false\n", ""),
        &["f:4: [ACCOUNT_a]: every account is disabled, expected at least one with enabled = true"],
    );
    check(
        Mode::Multi,
        &multi("", "").replace("ACCOUNT_a", "ACCOUNT_主"),
        &[
            "f:4: id: [ACCOUNT_主] cannot be an id, expected 1 to 64 letters, digits and signs, without spaces: set id in this section",
        ],
    );
    // A disabled account may be unfinished.
    let (settings, warnings) = good(
        Mode::Multi,
        &multi("", "[ACCOUNT_b]\nenabled = off\nregion = nowhere\n"),
    );
    assert_eq!((settings.accounts.len(), warnings), (1, Vec::new()));
}

#[test]
fn ways_to_log_in_that_there_are_not_are_refused_by_name() {
    for key in [
        "delegation_token_file",
        "authentication_type",
        "key_content",
    ] {
        let errors = errors(Mode::Single, &single(&format!("{key} = x\n"), ""));
        assert!(
            errors.concat().starts_with(&format!("f:8: {key}: ")),
            "{errors:?}"
        );
    }
}

#[test]
fn keys_before_any_section_count_as_default() {
    let text = format!("api_key = k\n{}{MODELS}", credentials());
    assert_eq!(good(Mode::Single, &text).0.accounts.len(), 1);
    check(
        Mode::Single,
        &format!("region = FRA\n{}", single("", "")),
        &["f:8: region: already set at line 1, expected it once"],
    );
    check(
        Mode::Multi,
        &multi("", "[GLOBAL]\napi_key = other\n"),
        &["f:11: api_key: already set at line 1, expected it once"],
    );
}

#[test]
fn regions_outside_the_list_are_used_with_a_warning() {
    let text = single("", "").replace("us-chicago-1", "xx-nowhere-7");
    check_warnings(
        Mode::Single,
        &text,
        &[
            "f:7: region: xx-nowhere-7 is not in the known list of regions with Generative AI, used as it is",
        ],
    );
}
