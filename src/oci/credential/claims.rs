//! What a token of OCI's says of itself: the claims of a JWT, which nobody here can or need verify. Pure. Source: RFC 7519 §4.1,
//! reference §2.3.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use zeroize::Zeroizing;

/// The longest token that is taken, bytes: it goes into a header of each request. OCI's own have 1 to 4 KiB.
pub(super) const MAX_TOKEN_BYTES: usize = 12 * 1024;

#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Claims {
    /// Seconds since 1970, by OCI's clock.
    exp: Option<u64>,
    /// The tenancy's OCID, in the token of a resource.
    res_tenant: Option<String>,
    /// The same in the token of a session or an instance.
    tenant: Option<String>,
}

impl Claims {
    /// `None`: not a JWT.
    pub(super) fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = payload.trim_end_matches('=');
        let json = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
        serde_json::from_slice(&json).ok()
    }

    /// When it ends, since 1970.
    pub(super) fn expires(&self) -> Option<Duration> {
        self.exp.map(Duration::from_secs)
    }

    pub(super) fn tenancy(self) -> Option<String> {
        let tenancy = self.res_tenant.or(self.tenant);
        tenancy.filter(|ocid| ocid.starts_with("ocid1."))
    }
}

/// Whether it can stand in a header, between quotes.
pub(super) fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn a_token_says_when_it_ends_and_whose_it_is() {
        let claims = Claims::of(&token(
            r#"{"exp":1790000000,"tenant":"ocid1.tenancy.oc1..t","x":[1]}"#,
        ));
        let claims = claims.unwrap_or_default();
        assert_eq!(claims.expires(), Some(Duration::from_secs(1_790_000_000)));
        assert_eq!(claims.tenancy().as_deref(), Some("ocid1.tenancy.oc1..t"));
        let other = Claims::of(&token(
            r#"{"tenant":"no","res_tenant":"ocid1.tenancy.oc1..r"}"#,
        ));
        let other = other.unwrap_or_default();
        assert_eq!(other.expires(), None);
        assert_eq!(other.tenancy().as_deref(), Some("ocid1.tenancy.oc1..r"));
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in ["", "a", "a.b", "a.b.c", "e30.W10.x", "<html>", "a.%%.c"] {
            assert_eq!(Claims::of(text), None, "{text}");
        }
        assert!(Claims::of(&token(r#"{"exp":"soon"}"#)).is_none());
        for (text, good) in [
            ("ab.c-_", true),
            ("a b", false),
            ("a\"b", false),
            ("", false),
        ] {
            assert_eq!(is_token(text), good, "{text}");
        }
        assert!(!is_token(&"a".repeat(MAX_TOKEN_BYTES + 1)));
    }
}
