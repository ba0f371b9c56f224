//! The newtypes that every room may use: a name of its own for each string that must not be mistaken for another.
//! Knows nothing of configuration, HTTP or OCI.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// An account's `id` in the configuration; in a single-account file always `default`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct AccountId(Arc<str>);

/// The name that clients use for a model: the left side of a line in `[MODELS]`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ModelName(Arc<str>);

/// A well-formed OCI region identifier in lower case, such as `us-chicago-1`. `oci::region` resolves three-letter codes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Region(Arc<str>);

/// One request's id: 32 lower-case hex digits. Sent to the client as `x-request-id`, to OCI as `opc-request-id`
/// (at most 32 characters a segment. Source: OCI API 20231130), and written into the log.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct RequestId(Arc<str>);

/// A value that is never shown: `Debug` and `Display` print `***`, and the memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

macro_rules! shown_name {
    ($name:ident) => {
        impl $name {
            pub(crate) fn new(value: impl Into<Arc<str>>) -> Self {
                Self(value.into())
            }

            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

shown_name!(AccountId);
shown_name!(ModelName);
shown_name!(Region);
shown_name!(RequestId);

impl RequestId {
    /// An id from 16 random bytes.
    pub(crate) fn from_random(bytes: [u8; 16]) -> Self {
        Self::new(format!("{:032x}", u128::from_be_bytes(bytes)))
    }
}

impl Secret {
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The value itself, for the one place that must use it. Never log it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_request_id_is_32_hex_digits() {
        let id = RequestId::from_random([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(id.as_str(), "000102030405060708090a0b0c0d0eff");
    }
}
