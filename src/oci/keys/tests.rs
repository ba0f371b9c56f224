//! All forms of a key, and what the user is told about each that cannot be used.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use rsa::pkcs8::pkcs5::pbes2::{Kdf, Pbkdf2Params};

use super::*;

const PHRASE: &str = "test-pass-phrase";
const FINGERPRINT: &str = "89:00:f8:85:df:37:74:24:13:17:a2:01:64:8a:92:48";
const PKCS1: &str = "signing/TEST-KEY-throwaway-pkcs1.pem";
const PKCS8: &str = "signing/TEST-KEY-throwaway-pkcs8.pem";
const PBES2: &str = "signing/TEST-KEY-throwaway-pkcs8-encrypted.pem";
const LEGACY: &str = "signing/TEST-KEY-throwaway-pkcs1-encrypted-legacy.pem";

/// One key, encrypted in each way that must open.
const ENCRYPTED: [&str; 9] = [
    PBES2,
    LEGACY,
    "keys/TEST-KEY-throwaway-legacy-aes128.pem",
    "keys/TEST-KEY-throwaway-legacy-aes192.pem",
    "keys/TEST-KEY-throwaway-legacy-des3.pem",
    "keys/TEST-KEY-throwaway-pbes2-aes192-sha512.pem",
    "keys/TEST-KEY-throwaway-pbes2-crlf.pem",
    "keys/TEST-KEY-throwaway-pbes2-scrypt.pem",
    "keys/TEST-KEY-throwaway-pbes2-sha1.pem",
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

fn secret(phrase: &str) -> Option<Secret> {
    Some(Secret::new(phrase))
}

fn check_loads(pem: &str, phrase: Option<&Secret>) {
    let key = PrivateKey::parse(pem, phrase).unwrap_or_else(|error| panic!("{error}\n{pem}"));
    assert_eq!(key.fingerprint(), FINGERPRINT);
    assert_eq!(key.bits(), 2048);
}

fn check_refused(pem: &str, phrase: Option<&Secret>, expected: &KeyError) {
    let error = PrivateKey::parse(pem, phrase).unwrap_err();
    assert_eq!(&error, expected, "{pem}");
    let line = error.to_string();
    assert!(!line.contains('\n') && !line.contains(PHRASE), "{line}");
}

#[test]
fn plain_keys_load_with_and_without_a_pass_phrase() {
    let label = "signing/TEST-KEY-throwaway-pkcs8-with-OCI_API_KEY-label.pem";
    for name in [PKCS1, PKCS8, label] {
        check_loads(&text(name), None);
        check_loads(&text(name), secret("").as_ref());
        check_loads(&text(name), secret("meant for another key").as_ref());
    }
}

#[test]
fn encrypted_keys_load_with_their_pass_phrase_only() {
    for name in ENCRYPTED {
        let pem = text(name);
        check_loads(&pem, secret(PHRASE).as_ref());
        check_refused(&pem, None, &KeyError::PassPhraseNeeded);
        check_refused(&pem, secret("").as_ref(), &KeyError::PassPhraseNeeded);
        check_refused(&pem, secret("wrong").as_ref(), &KeyError::WrongPassPhrase);
        check_refused(
            &pem,
            secret("Test-pass-phrase").as_ref(),
            &KeyError::WrongPassPhrase,
        );
    }
}

/// Among so many wrong ones are some whose padding looks right.
#[test]
fn no_wrong_pass_phrase_is_taken_for_damage() {
    let pem = text(LEGACY);
    for number in 0..2000 {
        let phrase = secret(&format!("wrong {number}"));
        check_refused(&pem, phrase.as_ref(), &KeyError::WrongPassPhrase);
    }
}

#[test]
fn what_stands_around_the_key_and_its_line_ends_do_not_matter() {
    let phrase = secret(PHRASE);
    for name in [PKCS1, PKCS8, PBES2, LEGACY] {
        let pem = text(name);
        for variant in [
            pem.replace('\n', "\r\n"),
            pem.replace('\n', "\r"),
            pem.replace('\n', "\\n"),
            pem.replace('\n', "\\r\\n"),
            pem.replace('\n', "\\\\n"),
            pem.replace('\n', "\n    "),
            pem.replace('\n', " \t\n"),
            format!("\u{feff}{pem}"),
            format!("\n\n  \"{pem}\""),
            format!("Bag Attributes: none\nKey: mine\n{pem}OCI_API_KEY"),
            format!("{pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            format!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{pem}"),
        ] {
            check_loads(&variant, phrase.as_ref());
        }
    }
    check_loads(&text(PKCS8).replace('\n', " "), None);
    check_loads(&text(PKCS8).replace('=', ""), None);
}

#[test]
fn what_is_no_private_rsa_key_is_called_by_its_name() {
    let pss = "a key for RSA-PSS only";
    for (name, expected) in [
        (
            "signing/TEST-KEY-throwaway-public.pem",
            KeyError::NotPrivate("a public key"),
        ),
        (
            "keys/TEST-KEY-throwaway-certificate.pem",
            KeyError::NotPrivate("a certificate"),
        ),
        (
            "keys/TEST-KEY-throwaway-ec-sec1.pem",
            KeyError::NotRsa("an elliptic-curve key"),
        ),
        (
            "keys/TEST-KEY-throwaway-ec-pkcs8.pem",
            KeyError::NotRsa("an elliptic-curve key"),
        ),
        (
            "keys/TEST-KEY-throwaway-ed25519.pem",
            KeyError::NotRsa("an Ed25519 key"),
        ),
        ("keys/TEST-KEY-throwaway-rsa-pss.pem", KeyError::NotRsa(pss)),
        ("keys/TEST-KEY-throwaway-openssh.pem", KeyError::OpenSshKey),
        ("keys/TEST-KEY-throwaway-rsa768.pem", KeyError::Size(768)),
    ] {
        check_refused(&text(name), None, &expected);
    }
    let other = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----";
    check_refused(
        other,
        None,
        &KeyError::NotPrivate("something other than a private key"),
    );
    let ssh = KeyError::NotPrivate("an OpenSSH public key");
    check_refused("ssh-rsa AAAAB3NzaC1yc2E me@here", None, &ssh);
    check_refused("PuTTY-User-Key-File-2: ssh-rsa", None, &KeyError::PuttyKey);
}

#[test]
fn an_unsupported_encryption_comes_with_the_line_that_converts_it() {
    for (name, what) in [
        (
            "keys/TEST-KEY-throwaway-pkcs12-pbe-sha1-3des.pem",
            "PBE-SHA1-3DES",
        ),
        ("keys/TEST-KEY-throwaway-pbes1-md5-des.pem", "PBE-MD5-DES"),
        (
            "keys/TEST-KEY-throwaway-pbes2-des3.pem",
            "a PBES2 cipher other than AES-CBC",
        ),
        ("keys/TEST-KEY-throwaway-legacy-des.pem", "DES-CBC"),
    ] {
        let expected = KeyError::UnsupportedEncryption(what.to_owned());
        check_refused(&text(name), None, &expected);
        check_refused(&text(name), secret(PHRASE).as_ref(), &expected);
        let line = expected.to_string();
        assert!(
            line.contains("`openssl pkcs8 -topk8 -v2 aes256 -in FILE -out NEW`"),
            "{line}"
        );
    }
}

#[test]
fn damaged_texts() {
    let phrase = secret(PHRASE);
    let phrase = phrase.as_ref();
    let pem = text(PKCS1);
    for (damaged, expected) in [
        (String::new(), KeyError::NotPem),
        ("-----BEGIN ".to_owned(), KeyError::NotPem),
        ("no key here".to_owned(), KeyError::NotPem),
        (pem[..pem.len() / 2].to_owned(), KeyError::Cut),
        (pem.replace("END RSA ", "END "), KeyError::Cut),
        (pem.replace("MIIE", "MI*E"), KeyError::Damaged),
        (pem.replace("MIIE", "MIIF"), KeyError::Damaged),
        (text(PKCS8).replace("MIIE", "AAAA"), KeyError::Damaged),
        (text(PBES2).replace("MIIF", "AAAA"), KeyError::Damaged),
        (pem.replace("RSA PRIVATE", "PRIVATE"), KeyError::Damaged),
        (
            pem.replace("RSA PRIVATE", "ANY PRIVATE"),
            KeyError::NotRsa("a key of an unknown kind"),
        ),
        (
            text(LEGACY).replace("AES-256-CBC,2E", "AES-256-CBC,"),
            KeyError::WrongPassPhrase,
        ),
        (
            text(LEGACY).replace("AES-256-CBC,2E", "AES-256-CBC,2"),
            KeyError::Damaged,
        ),
        (
            text(LEGACY).replace("AES-256-CBC,2E", "AES-256-CBC,ZZ"),
            KeyError::Damaged,
        ),
        (
            text(LEGACY).replace("AES-256-CBC,", "AES-256-CBC;"),
            KeyError::Damaged,
        ),
        (
            text(LEGACY).replace("AES-256-CBC", "\u{1b}[31m"),
            KeyError::Damaged,
        ),
        (
            text(LEGACY).replace("DEK-Info:", "Other:"),
            KeyError::Damaged,
        ),
        ("x".repeat(MAX_FILE_BYTES + 1), KeyError::TooLarge),
    ] {
        check_refused(&damaged, phrase, &expected);
    }
}

/// Every cut and every single changed byte: an error or a key, never a panic.
#[test]
fn no_damage_panics() {
    for name in [PKCS1, PKCS8, "keys/TEST-KEY-throwaway-ec-pkcs8.pem"] {
        let block = pem::private_key(&text(name)).unwrap();
        let der = block.der;
        let read = |der: &[u8]| match name {
            PKCS1 => PrivateKey::from_pkcs1(Zeroizing::new(der.to_vec())),
            _ => PrivateKey::from_pkcs8(der),
        };
        for at in 0..der.len() {
            drop(read(&der[..at]));
            let mut changed = der.to_vec();
            changed[at] ^= 0xff;
            drop(read(&changed));
        }
    }
    let envelope = pem::private_key(&text(PBES2)).unwrap().der;
    for at in 0..120 {
        drop(pbes2::open(&envelope[..at], None));
        for bit in 0..8 {
            let mut changed = envelope.to_vec();
            changed[at] ^= 1 << bit;
            drop(pbes2::open(&changed, None));
        }
    }
}

#[test]
fn a_modulus_of_absurd_size_is_refused_before_it_is_checked() {
    let big = vec![0x55; MAX_BITS / 8 + 1];
    let one = [1];
    let number = |bytes| pkcs1::UintRef::new(bytes).unwrap();
    let key = pkcs1::RsaPrivateKey {
        modulus: number(&big),
        public_exponent: number(&one),
        private_exponent: number(&one),
        prime1: number(&one),
        prime2: number(&one),
        exponent1: number(&one),
        exponent2: number(&one),
        coefficient: number(&one),
        other_prime_infos: None,
    };
    let der = rsa::pkcs8::der::Encode::to_der(&key).unwrap();
    let error = PrivateKey::from_pkcs1(Zeroizing::new(der)).unwrap_err();
    assert_eq!(error, KeyError::Size(MAX_BITS + 7));
}

#[test]
fn a_costly_derivation_is_refused() {
    let rounds = |rounds| {
        let parameters = Pbkdf2Params::hmac_with_sha256(rounds, b"salt").unwrap();
        pbes2::check_cost(&Kdf::Pbkdf2(parameters))
    };
    assert_eq!(rounds(pbes2::MAX_ROUNDS), Ok(()));
    assert_eq!(
        rounds(pbes2::MAX_ROUNDS + 1),
        Err(KeyError::CostlyEncryption)
    );

    let envelope = pem::private_key(&text("keys/TEST-KEY-throwaway-pbes2-scrypt.pem")).unwrap();
    // scrypt's cost, INTEGER 02 02 40 00; block size 8 follows as 02 01 08.
    let bytes = &envelope.der;
    let at = bytes
        .windows(4)
        .position(|bytes| bytes == [2, 2, 0x40, 0])
        .unwrap();
    let mut changed = bytes.to_vec();
    changed[at + 6] = 0x7f;
    changed[at + 9] = 0x7f;
    let error = pbes2::open(&changed, secret(PHRASE).as_ref()).unwrap_err();
    assert_eq!(error, KeyError::CostlyEncryption);
    assert!(error.to_string().contains("openssl pkcs8"));
}

#[test]
fn files() {
    let load = |name: &str| PrivateKey::load(&path(name), None);
    assert_eq!(load(PKCS8).unwrap().fingerprint(), FINGERPRINT);
    let check = |name: &str, expected: &str| {
        let error = load(name).unwrap_err();
        assert!(matches!(&error, KeyError::InFile { path: at, .. } if *at == path(name)));
        let line = error.to_string();
        assert!(line.contains(expected) && line.contains(name), "{line}");
    };
    check(
        "keys/missing.pem",
        "there is no such file: correct key_file",
    );
    check("keys", "cannot be read: ");
    check(
        PBES2,
        "the key is encrypted: pass_phrase is needed beside key_file",
    );
}

#[test]
fn files_that_are_no_text() {
    let folder = std::env::temp_dir().join(format!("ociai-proxy-keys-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let check = |bytes: &[u8], expected: KeyError| {
        let path = folder.join("key.pem");
        std::fs::write(&path, bytes).unwrap();
        let error = PrivateKey::load(&path, None).unwrap_err();
        let error_of_file = KeyError::InFile {
            path,
            error: Box::new(expected),
        };
        assert_eq!(error, error_of_file);
    };
    check(&[0x30, 0x82, 0x04, 0xa3], KeyError::Binary);
    check(b"\xff\xfe-\0-\0", KeyError::Binary);
    check(b"", KeyError::NotPem);
    check(&vec![b'-'; MAX_FILE_BYTES], KeyError::NotPem);
    check(&vec![b'-'; MAX_FILE_BYTES + 1], KeyError::TooLarge);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_fingerprint_is_compared_in_any_case() {
    let key = PrivateKey::parse(&text(PKCS1), None).unwrap();
    key.check_fingerprint(FINGERPRINT).unwrap();
    key.check_fingerprint(&FINGERPRINT.to_ascii_uppercase())
        .unwrap();
    let wrong = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff";
    let error = key.check_fingerprint(wrong).unwrap_err();
    let expected = KeyError::FingerprintMismatch {
        configured: wrong.to_owned(),
        computed: FINGERPRINT.to_owned(),
    };
    assert_eq!(error, expected);
    let line = error.to_string();
    assert!(line.contains(wrong) && line.contains(FINGERPRINT), "{line}");
}
