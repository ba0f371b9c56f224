//! How accounts log in, and keys that do not go together.

use super::*;

const SESSION: &str =
    "tenancy = ocid1.tenancy.oc1..t\nregion = FRA\nkey_file = s.pem\nsecurity_token_file = ~/t\n";

fn of(text: &str) -> (UpstreamSettings, bool) {
    let text = format!("api_key = k\n{MODELS}[ACCOUNT_a]\n{text}");
    let (settings, warnings) = good(Mode::Multi, &text);
    assert_eq!(warnings, Vec::<String>::new());
    let account = settings.accounts.into_iter().next().unwrap();
    let reaches_native = account
        .seat
        .paths
        .meet(crate::accounts::paths::Paths::Native);
    (account.upstream, reaches_native)
}

#[test]
fn each_identity_has_its_keys() {
    let (upstream, _) = of(SESSION);
    let Identity::SecurityToken {
        token_file,
        key_file,
        ..
    } = &upstream.identity
    else {
        panic!("{upstream:?}")
    };
    assert_eq!(token_file, Path::new("/home/me/t"));
    assert_eq!(key_file, Path::new("/base/s.pem"));
    let (upstream, _) = of("auth = Instance_Principal\n");
    assert_eq!(
        upstream.identity,
        Identity::InstancePrincipal {
            metadata_endpoint: None,
            federation_endpoint: None
        }
    );
    assert_eq!((upstream.region, upstream.compartment_id), (None, None));
    let (upstream, reaches_native) = of(
        "auth = instance_principal\nregion = phx\ntenancy = ocid1.tenancy.oc1..t\nmetadata_endpoint = http://m\nfederation_endpoint = http://f\n",
    );
    assert_eq!(upstream.region.unwrap().as_str(), "us-phoenix-1");
    assert_eq!(upstream.compartment_id.unwrap(), "ocid1.tenancy.oc1..t");
    assert!(reaches_native);
    let (upstream, _) = of("auth = resource_principal\n");
    assert_eq!(upstream.identity, Identity::ResourcePrincipal);
    let (upstream, reaches_native) = of("oci_api_key = sk-hush\nregion = ORD\n");
    let key = Secret::new("sk-hush");
    assert_eq!(upstream.identity, Identity::ApiKey { key });
    assert!(!reaches_native && !format!("{upstream:?}").contains("hush"));
}

#[test]
fn what_an_account_says_itself_counts_before_what_it_inherits() {
    let default = format!("[DEFAULT]\n{}", credentials());
    let text = format!(
        "api_key = k\n{MODELS}{default}[ACCOUNT_1]\nauth = instance_principal\n[ACCOUNT_2]\noci_api_key = sk-x\n[ACCOUNT_3]\n\
         [ACCOUNT_4]\nsecurity_token_file = t\n"
    );
    let (settings, _) = good(Mode::Multi, &text);
    let kinds: Vec<_> = settings
        .accounts
        .iter()
        .map(|account| match account.upstream.identity {
            Identity::SigningKey { .. } => 1,
            Identity::SecurityToken { .. } => 2,
            Identity::InstancePrincipal { .. } => 3,
            Identity::ResourcePrincipal => 4,
            Identity::ApiKey { .. } => 5,
        })
        .collect();
    assert_eq!(kinds, [3, 5, 1, 2]);
    // An account with a key of its own has no session, whatever stands in [DEFAULT].
    let text = format!(
        "api_key = k\n{MODELS}[DEFAULT]\nauth = security_token\n{SESSION}[ACCOUNT_1]\n{}[ACCOUNT_2]\n",
        credentials()
    );
    let (settings, _) = good(Mode::Multi, &text);
    let [own, inheriting] = settings.accounts.as_slice() else {
        panic!("not two accounts")
    };
    signing(&own.upstream);
    assert!(matches!(
        inheriting.upstream.identity,
        Identity::SecurityToken { .. }
    ));
}

#[test]
fn keys_that_do_not_go_together_are_errors_where_they_stand() {
    let session = "a session (security_token_file)";
    let rest = "remove one of the two";
    for (lines, expected) in [
        (
            "security_token_file = t\n",
            format!("f:3: user: does not go with {session}: {rest}"),
        ),
        (
            "auth = instance_principal\n",
            format!("f:3: user: does not go with auth = instance_principal: {rest}"),
        ),
        (
            "oci_api_key = sk-hush\n",
            format!("f:3: user: does not go with oci_api_key: {rest}"),
        ),
        (
            "metadata_endpoint = http://m\n",
            format!(
                "f:8: metadata_endpoint: does not go with an API signing key (auth = api_key, or user, fingerprint and key_file): {rest}"
            ),
        ),
    ] {
        let found = errors(Mode::Single, &single(lines, ""));
        assert_eq!(found.first(), Some(&expected), "{found:?}");
    }
    for (lines, expected) in [
        (
            "auth = magic\n",
            "f:5: auth: expected one of api_key, security_token, instance_principal, resource_principal, got \"magic\"",
        ),
        (
            "auth = security_token\nregion = FRA\ntenancy = ocid1.tenancy.oc1..t\nkey_file = k\n",
            "f:4: security_token_file: missing in [ACCOUNT_a], expected the path of the session's token, as `oci session authenticate` writes it",
        ),
        (
            "oci_api_key = sk-hush\n",
            "f:4: region: missing in [ACCOUNT_a], expected a region such as us-chicago-1",
        ),
        (
            "oci_api_key = sk hush\nregion = FRA\n",
            "f:5: oci_api_key: expected an API key of OCI Generative AI such as sk-…, on one line and without spaces",
        ),
        (
            "oci_api_key = sk-hush\nauth = api_key\nregion = FRA\n",
            "f:6: auth: does not go with oci_api_key: remove one of the two",
        ),
        (
            "auth = resource_principal\nfederation_endpoint = http://f\n",
            "f:6: federation_endpoint: does not go with auth = resource_principal: remove one of the two",
        ),
    ] {
        let text = format!("api_key = k\n{MODELS}[ACCOUNT_a]\n{lines}");
        check(Mode::Multi, &text, &[expected]);
    }
}

#[test]
fn the_files_that_hold_secrets_are_those_of_the_identity() {
    let files = |text: &str| {
        let text = format!("api_key = k\n{MODELS}[ACCOUNT_a]\n{text}");
        let (settings, _) = good(Mode::Multi, &text);
        settings.secret_files(Path::new("f"), false)
    };
    assert_eq!(
        files(SESSION),
        [Path::new("/base/s.pem"), Path::new("/home/me/t")]
    );
    assert_eq!(files("auth = instance_principal\n"), Vec::<PathBuf>::new());
    assert_eq!(
        files("oci_api_key = sk-hush\nregion = FRA\n"),
        [Path::new("f")]
    );
}
