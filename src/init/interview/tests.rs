//! Interviews with scripted answers.

use super::super::words::{flag, variable};
use super::*;

const FINGERPRINT: &str = "aa:bb:cc:dd:ee:ff:11:22:33:44:55:66:77:88:99:00";
const OTHER: &str = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";
const USER: &str = "ocid1.user.oc1..u";
const TENANCY: &str = "ocid1.tenancy.oc1..t";
const PHRASE: &str = "Open Sesame";

const PROFILES: &str = "[DEFAULT]\nuser = ocid1.user.oc1..p\ntenancy = ocid1.tenancy.oc1..p\nregion = us-chicago-1\n\
    fingerprint = aa:bb:cc:dd:ee:ff:11:22:33:44:55:66:77:88:99:00\nkey_file = ~/.oci/key.pem\n\
    [LOCKED]\nkey_file = locked.pem\npass_phrase = Open Sesame\n\
    [STALE]\nfingerprint = 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff\n\
    [SESSION]\nsecurity_token_file = x\n";

/// `locked…` needs the pass phrase, `no…` is no key; all others open.
fn open_key(path: &str, phrase: Option<&Secret>) -> Result<String, KeyError> {
    let fail = |error| {
        Err(KeyError::InFile {
            path: path.into(),
            error: Box::new(error),
        })
    };
    match phrase.map(Secret::expose) {
        _ if path.starts_with("no") => fail(KeyError::NotPem),
        None if path.starts_with("locked") => fail(KeyError::PassPhraseNeeded),
        Some(phrase) if phrase != PHRASE => fail(KeyError::WrongPassPhrase),
        Some(_) | None => Ok(FINGERPRINT.to_owned()),
    }
}

/// A world with these flags, and with this file of OCI's own tools.
fn with_world<T>(
    flags: &[(Item, &str)],
    profiles: Option<&str>,
    profile: Option<&str>,
    run: impl FnOnce(&World<'_>) -> T,
) -> T {
    let profiles = profiles.map(|text| Profiles::parse(text.as_bytes()));
    let given = |item| {
        let (_, value) = flags.iter().find(|(flag, _)| *flag == item)?;
        let from = flag(item).or_else(|| variable(item))?;
        Some((Zeroizing::new((*value).to_owned()), from))
    };
    run(&World {
        given: &given,
        profiles: profiles.as_ref().map(|profiles| Found {
            path: "~/.oci/config".to_owned(),
            profiles,
        }),
        profile: profile.map(str::to_owned),
        open_key: &open_key,
    })
}

/// All that was said and asked, and what came of it.
fn interview(
    flags: &[(Item, &str)],
    profiles: Option<&str>,
    profile: Option<&str>,
    answers: &[&str],
) -> (Vec<String>, Result<NewFile, Stop>) {
    let mut said = Vec::new();
    let mut answers = answers.iter();
    let mut talk = |line: Line<'_>| {
        let (text, is_question) = match line {
            Line::Say(text) => (text.to_owned(), false),
            Line::Ask(text) => (format!("? {text}"), true),
            Line::AskSecret(text) => (format!("?? {text}"), true),
        };
        said.push(text);
        let answer = is_question.then(|| answers.next()).flatten();
        Ok(answer.map(|answer| Zeroizing::new((*answer).to_owned())))
    };
    let result = with_world(flags, profiles, profile, |world| ask(world, &mut talk));
    assert_eq!(answers.next(), None, "nobody asked for it: {said:#?}");
    (said, result)
}

fn usual(key_file: &str) -> NewFile {
    NewFile {
        user: USER.to_owned(),
        tenancy: TENANCY.to_owned(),
        fingerprint: FINGERPRINT.to_owned(),
        key_file: key_file.to_owned(),
        region: "us-phoenix-1".to_owned(),
        pass_phrase: None,
        compartment: None,
        models: config::models(USUAL_MODELS).unwrap(),
    }
}

fn problems(result: Result<NewFile, Stop>) -> Vec<String> {
    match result {
        Err(Stop::Problems(problems)) => problems,
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_is_asked_for_and_enter_takes_what_is_offered() {
    let answers = [USER, TENANCY, "us-phoenix-1", "k.pem", "", "", ""];
    let (said, new) = interview(&[], None, None, &answers);
    assert_eq!(new.unwrap(), usual("k.pem"));
    let questions = [
        question(Item::User).to_owned(),
        question(Item::Tenancy).to_owned(),
        question(Item::Region).to_owned(),
        question(Item::KeyFile).to_owned(),
        format!("{} [{FINGERPRINT}]", question(Item::Fingerprint)),
        question(Item::Compartment).to_owned(),
        format!("{} [{USUAL_MODELS}]", question(Item::Models)),
    ];
    assert_eq!(said, questions.map(|question| format!("? {question}")));
}

#[test]
fn a_wrong_answer_is_explained_and_asked_for_again() {
    let answers = [
        "",
        "me",
        USER,
        TENANCY,
        "the moon",
        "us-phoenix-1",
        "nokey.pem",
        "k.pem",
        OTHER,
        FINGERPRINT,
        "x",
        "ocid1.compartment.oc1..c",
        "a=b c",
        "llama=meta.llama",
    ];
    let (said, new) = interview(&[], None, None, &answers);
    let expected = NewFile {
        compartment: Some("ocid1.compartment.oc1..c".to_owned()),
        models: vec![("llama".to_owned(), "meta.llama".to_owned())],
        ..usual("k.pem")
    };
    assert_eq!(new.unwrap(), expected);
    let told: Vec<_> = said.iter().filter(|line| !line.starts_with('?')).collect();
    for (line, expected) in told.iter().zip([
        "expected an OCID such as ocid1.user",
        "expected an OCID such as ocid1.user",
        "expected a region",
        "nokey.pem: no `-----BEGIN",
        "k.pem: the key has the fingerprint aa:bb",
        "expected an OCID such as ocid1.compartment",
        "expected an OCI model id",
    ]) {
        assert!(line.starts_with(expected), "{line} {expected}");
    }
    assert_eq!(told.len(), 7, "{told:#?}");
}

#[test]
fn who_answers_nonsense_for_ever_is_given_up_and_who_leaves_ends_it() {
    let (_, new) = interview(&[], None, None, &["me"; 10]);
    let told = problems(new);
    assert_eq!(told, ["10 answers were wrong, nothing was written"]);
    let (_, new) = interview(&[], None, None, &[USER]);
    assert!(matches!(new, Err(Stop::Ended)));
}

#[test]
fn a_profile_is_chosen_and_its_values_are_offered() {
    let answers = ["NOPE", "", "", "", "", "", "", "", ""];
    let (said, new) = interview(&[], Some(PROFILES), None, &answers);
    let new = new.unwrap();
    assert_eq!(new.user, "ocid1.user.oc1..p");
    assert_eq!(new.region, "us-chicago-1");
    assert_eq!(new.key_file, "~/.oci/key.pem");
    assert_eq!(
        said.first().unwrap(),
        "? Profile of ~/.oci/config (DEFAULT, LOCKED, STALE; - for none) [DEFAULT]"
    );
    let answers = ["-", USER, TENANCY, "us-phoenix-1", "k.pem", "", "", ""];
    let (said, new) = interview(&[], Some(PROFILES), None, &answers);
    assert_eq!(new.unwrap(), usual("k.pem"));
    assert!(!said.iter().any(|line| line.contains("ocid1.user")));
}

#[test]
fn an_encrypted_key_asks_for_its_pass_phrase_unseen() {
    let answers = [
        USER,
        TENANCY,
        "us-phoenix-1",
        "locked.pem",
        "Hush",
        " Hush",
        PHRASE,
        "",
        "",
        "",
    ];
    let (said, new) = interview(&[], None, None, &answers);
    let expected = NewFile {
        pass_phrase: Some(Secret::new(PHRASE)),
        ..usual("locked.pem")
    };
    assert_eq!(new.unwrap(), expected);
    let asked = format!("?? {}", question(Item::PassPhrase));
    assert_eq!(said.iter().filter(|line| **line == asked).count(), 3);
    let shows = |line: &String| line.contains("Hush") || line.contains(PHRASE);
    assert!(!said.iter().any(shows), "{said:#?}");
    // The profile has it: nobody is asked.
    let (said, new) = interview(&[], Some(PROFILES), Some("LOCKED"), &[""; 7]);
    assert_eq!(new.unwrap().pass_phrase, Some(Secret::new(PHRASE)));
    assert!(!said.contains(&asked));
}

#[test]
fn a_profile_whose_fingerprint_is_another_keys_is_told() {
    let (said, new) = interview(&[], Some(PROFILES), Some("STALE"), &[""; 7]);
    assert_eq!(new.unwrap().fingerprint, FINGERPRINT);
    let told = format!(
        "~/.oci/key.pem: the key has the fingerprint {FINGERPRINT}, configured is {OTHER}: correct fingerprint or key_file"
    );
    assert!(said.contains(&told), "{said:#?}");
}

#[test]
fn what_is_given_is_not_asked_for_and_must_be_right() {
    let flags = [
        (Item::User, USER),
        (Item::Tenancy, TENANCY),
        (Item::Region, "us-phoenix-1"),
        (Item::KeyFile, "k.pem"),
        (Item::Fingerprint, FINGERPRINT),
        (Item::Models, "xai.grok-4"),
    ];
    let (said, new) = interview(&flags, None, None, &[""]);
    assert_eq!(new.unwrap().models, config::models("xai.grok-4").unwrap());
    assert_eq!(said.len(), 1, "{said:?}");
    for (item, wrong, expected) in [
        (Item::User, "me", "-user: expected an OCID"),
        (Item::KeyFile, "no.pem", "no.pem: no `-----BEGIN"),
        (
            Item::Fingerprint,
            OTHER,
            "k.pem: the key has the fingerprint",
        ),
    ] {
        let flags = flags.map(|(known, value)| (known, if known == item { wrong } else { value }));
        let told = problems(interview(&flags, None, None, &[]).1).concat();
        assert!(told.starts_with(expected), "{told}");
        let told = with_world(&flags, None, None, |world| problems(gather(world))).concat();
        assert!(told.starts_with(expected), "{told}");
    }
}

#[test]
fn with_nobody_to_ask_all_that_is_missing_is_named() {
    let told = with_world(&[], None, None, |world| problems(gather(world)));
    let missing = |key: &str, ways: &str| {
        format!("{key} is missing and there is no terminal to ask at: {ways}")
    };
    let expected = [
        missing("user", "give -user or set OCI_CLI_USER"),
        missing("tenancy", "give -tenancy or set OCI_CLI_TENANCY"),
        missing("region", "give -region or set OCI_CLI_REGION"),
        missing("key_file", "give -key-file or set OCI_CLI_KEY_FILE"),
    ];
    assert_eq!(told, expected);
    let flags = [
        (Item::User, USER),
        (Item::Tenancy, TENANCY),
        (Item::Region, "us-phoenix-1"),
        (Item::KeyFile, "locked.pem"),
    ];
    let told = with_world(&flags, None, None, |world| problems(gather(world)));
    let phrase = missing("pass_phrase", "set OCI_CLI_PASSPHRASE");
    assert_eq!(
        told,
        [format!("locked.pem: the key is encrypted: {phrase}")]
    );
    let [a, b, c, d] = flags;
    let flags = [a, b, c, d, (Item::PassPhrase, PHRASE)];
    let new = with_world(&flags, None, None, |world| gather(world).unwrap());
    let expected = NewFile {
        pass_phrase: Some(Secret::new(PHRASE)),
        ..usual("locked.pem")
    };
    assert_eq!(new, expected);
}

#[test]
fn with_nobody_to_ask_a_profile_is_enough() {
    let new = with_world(&[], Some(PROFILES), None, |world| gather(world).unwrap());
    assert_eq!(new.user, "ocid1.user.oc1..p");
    assert_eq!(new.pass_phrase, None);
    // A flag counts more.
    let flags = [(Item::User, USER)];
    let new = with_world(&flags, Some(PROFILES), None, |world| gather(world).unwrap());
    assert_eq!(new.user, USER);
    for (profiles, expected) in [
        (
            Some(PROFILES),
            "no profile \"NOPE\", there are: DEFAULT, LOCKED, STALE",
        ),
        (None, "OCI_CONFIG_FILE"),
    ] {
        let told = with_world(&[], profiles, Some("NOPE"), |world| problems(gather(world)));
        assert!(told.concat().ends_with(expected), "{told:?}");
    }
}
