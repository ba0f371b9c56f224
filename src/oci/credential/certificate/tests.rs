//! Certificates that openssl made, cut and changed at every place.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use super::*;

const LEAF: &str = include_str!("../../../../tests/fixtures/identity/TEST-leaf.pem");
const LEAF_V1: &str = include_str!("../../../../tests/fixtures/identity/TEST-leaf-v1.pem");
const WITHOUT: &str =
    include_str!("../../../../tests/fixtures/identity/TEST-leaf-without-tenancy.pem");
const TENANCY: &str = "ocid1.tenancy.oc1..aaaaaaaainstancetest";

#[test]
fn the_tenancy_stands_in_the_subject() {
    for text in [LEAF, LEAF_V1] {
        assert_eq!(Certificate::parse(text).unwrap().tenancy, TENANCY);
    }
    let problem = Certificate::parse(WITHOUT).unwrap_err();
    assert_eq!(problem, "its subject names no tenancy");
}

/// As `openssl x509 -fingerprint -sha1` tells it.
#[test]
fn the_fingerprint_is_that_of_openssl() {
    assert_eq!(
        Certificate::parse(LEAF_V1).unwrap().fingerprint(),
        "22:21:4D:36:28:39:FC:73:05:A9:54:34:1C:05:D5:94:D4:14:8A:E1"
    );
}

#[test]
fn what_is_cut_or_changed_anywhere_is_an_error_or_another_tenancy_and_never_a_panic() {
    let der = Certificate::parse(LEAF).unwrap().der;
    for length in 0..der.len() {
        assert!(tenancy(&der[..length]).is_err(), "{length}");
    }
    for at in 0..der.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut changed = der.clone();
            changed[at] ^= flip;
            let _ = tenancy(&changed);
        }
    }
    for text in ["", "garbage", "-----BEGIN CERTIFICATE-----\nMIIB"] {
        assert!(Certificate::parse(text).is_err());
    }
}

#[test]
fn only_a_tenancys_ocid_counts() {
    for (value, expected) in [
        (
            &b"opc-tenant:ocid1.tenancy.oc1..a"[..],
            Some("ocid1.tenancy.oc1..a"),
        ),
        (
            b"opc-identity:ocid1.tenancy.oc1..a",
            Some("ocid1.tenancy.oc1..a"),
        ),
        (b"opc-tenant:", None),
        (b"opc-tenant:ocid1.tenancy\"x", None),
        (b"opc-instance:ocid1.instance.oc1..a", None),
        (b"\xff\xfe", None),
    ] {
        assert_eq!(marked(value).as_deref(), expected);
    }
}
