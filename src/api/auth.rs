//! Who may ask: the clients' keys, compared in constant time, and the *local* rule. Pure.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::api::route::Access;
use crate::http::head::Head;
use crate::names::Secret;
use crate::openai::error::ApiError;

/// # Errors
/// 401.
pub(crate) fn check(head: &Head, access: Access, keys: &[Secret]) -> Result<(), ApiError> {
    match access {
        Access::Open => return Ok(()),
        Access::LocalOrKey if is_local(head) => return Ok(()),
        Access::LocalOrKey | Access::Key => {}
    }
    let sent = sent_key(head).ok_or_else(ApiError::missing_key)?;
    if is_known(sent, keys) {
        Ok(())
    } else {
        Err(ApiError::wrong_key())
    }
}

/// The key in `Authorization: Bearer …`, whatever the scheme's case, or in `x-api-key`.
fn sent_key(head: &Head) -> Option<&str> {
    let bearer = head
        .header("authorization")
        .and_then(|value| value.split_once(' '));
    let bearer = bearer
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, key)| key.trim_matches([' ', '\t']));
    bearer
        .or_else(|| head.header("x-api-key"))
        .filter(|key| !key.is_empty())
}

/// Compares with every key and by digests, so that neither a key's place nor its length shows in the time it takes.
fn is_known(sent: &str, keys: &[Secret]) -> bool {
    let sent = Sha256::digest(sent.as_bytes());
    let matches = keys
        .iter()
        .map(|key| Sha256::digest(key.expose().as_bytes()).ct_eq(&sent));
    matches
        .fold(subtle::Choice::from(0), |any, one| any | one)
        .into()
}

/// Whether a request comes from this machine itself: not through a proxy that serves others, and not from a web page of
/// another origin that a browser on this machine shows.
fn is_local(head: &Head) -> bool {
    let peer_is_local = match head.peer.ip() {
        IpAddr::V4(ip) => ip.is_loopback(),
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
    };
    let forwarded = ["x-forwarded-for", "forwarded", "x-real-ip"]
        .iter()
        .any(|name| head.header(name).is_some());
    let host = head.header("host").unwrap_or_default();
    let cross_site = head
        .header("sec-fetch-site")
        .is_some_and(|site| site.eq_ignore_ascii_case("cross-site"));
    peer_is_local
        && !forwarded
        && !cross_site
        && is_loopback_host(host)
        && is_own_origin(head.header("origin"), host)
}

/// `localhost`, `127.0.0.0/8` or `[::1]`, with or without a port: a name that DNS rebinding cannot take. Nothing else may
/// stand around it: `localhost:80@elsewhere` is elsewhere.
fn is_loopback_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(v6) => {
            let Some((name, port)) = v6.split_once(']') else {
                return false;
            };
            (name, port)
        }
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_v6 = host.starts_with('[');
    let is_loopback = name
        .parse::<IpAddr>()
        .is_ok_and(|ip| ip.is_loopback() && ip.is_ipv6() == is_v6);
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        && (is_loopback || !is_v6 && name.eq_ignore_ascii_case("localhost"))
}

/// No `Origin`, or the one whose page this program serves itself. It speaks http only.
fn is_own_origin(origin: Option<&str>, host: &str) -> bool {
    origin.is_none_or(|origin| {
        origin
            .strip_prefix("http://")
            .is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;
    use crate::http::head::Version;

    fn head(peer: &str, headers: &[(&str, &str)]) -> Head {
        Head {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            query: None,
            version: Version::Http11,
            headers: headers
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            peer: peer.parse().unwrap(),
        }
    }

    #[test]
    fn keys() {
        let keys = [Secret::new("first"), Secret::new("second")];
        let check_key = |headers: &[(&str, &str)]| {
            check(&head("10.0.0.1:1", headers), Access::Key, &keys).map_err(|e| e.message)
        };
        assert_eq!(check_key(&[("authorization", "Bearer first")]), Ok(()));
        assert_eq!(check_key(&[("authorization", "bEARER  second ")]), Ok(()));
        assert_eq!(check_key(&[("x-api-key", "second")]), Ok(()));
        assert_eq!(
            check_key(&[("authorization", "Basic Zm9v"), ("x-api-key", "second")]),
            Ok(())
        );
        for wrong in [
            &[("authorization", "Bearer third")][..],
            &[("authorization", "Bearer firs")],
            &[("authorization", "Bearer first2")],
            &[("authorization", "Bearer first\u{85}")],
            &[("x-api-key", "first,second")],
        ] {
            assert!(check_key(wrong).unwrap_err().contains("wrong"), "{wrong:?}");
        }
        for missing in [
            &[][..],
            &[("authorization", "first")],
            &[("authorization", "Bearer ")],
            &[("x-api-key", "")],
        ] {
            assert!(
                check_key(missing).unwrap_err().contains("No API key"),
                "{missing:?}"
            );
        }
    }

    #[test]
    fn no_configured_key_lets_nobody_in() {
        assert!(!is_known("", &[]) && !is_known("x", &[]));
    }

    #[test]
    fn the_local_rule() {
        let local = |peer: &str, headers: &[(&str, &str)]| is_local(&head(peer, headers));
        assert!(local("127.0.0.1:5", &[("host", "localhost:8080")]));
        assert!(local("[::1]:5", &[("host", "[::1]:8080")]));
        assert!(local("[::ffff:127.0.0.1]:5", &[("host", "127.0.0.1")]));
        assert!(local(
            "127.0.0.1:5",
            &[
                ("host", "localhost:8080"),
                ("origin", "http://localhost:8080")
            ]
        ));
        assert!(local(
            "127.0.0.1:5",
            &[("host", "localhost"), ("sec-fetch-site", "same-origin")]
        ));
        for host in [
            "localhost.evil",
            "localhost:evil",
            "[::1]evil",
            "127.0.0.1:80.evil",
            "[::1",
        ] {
            assert!(!local("127.0.0.1:5", &[("host", host)]), "{host}");
        }
        assert!(!local("192.168.0.2:5", &[("host", "localhost:8080")]));
        assert!(!local("127.0.0.1:5", &[]));
        assert!(!local("127.0.0.1:5", &[("host", "rebound.example:8080")]));
        for host in [
            "127.0.0.1.example",
            "localhost:80@elsewhere",
            "localhost@elsewhere",
            "[::1",
            "[::1]@elsewhere",
            "[::1]x",
            "[127.0.0.1]",
            "[localhost]",
            "localhost, elsewhere",
            "localhost/",
            "",
        ] {
            assert!(!local("127.0.0.1:5", &[("host", host)]), "{host}");
        }
        for header in ["x-forwarded-for", "forwarded", "x-real-ip"] {
            assert!(!local(
                "127.0.0.1:5",
                &[("host", "localhost"), (header, "1.2.3.4")]
            ));
        }
        for origin in [
            "https://localhost:8080",
            "http://localhost:9090",
            "http://evil.example",
            "null",
        ] {
            assert!(
                !local(
                    "127.0.0.1:5",
                    &[("host", "localhost:8080"), ("origin", origin)]
                ),
                "{origin}"
            );
        }
        assert!(!local(
            "127.0.0.1:5",
            &[("host", "localhost"), ("sec-fetch-site", "cross-site")]
        ));
    }
}
