//! The certificate of an instance: its bytes, its fingerprint, and the tenancy in its subject. Nothing is verified here: it came from
//! the machine's own metadata service, and the federation service judges it. Pure. Source: RFC 5280 §4.1, reference §2.3.

use rsa::pkcs8::der::asn1::AnyRef;
use rsa::pkcs8::der::{Decode as _, Reader as _, SliceReader, Tag, Tagged as _};

use super::super::keys::pem;
use crate::crypto;

/// What stands before the tenancy's OCID in an attribute of the subject.
const TENANCY_MARKS: [&str; 2] = ["opc-tenant:", "opc-identity:"];
/// Attributes of a subject that are looked at. OCI's have five.
const MAX_ATTRIBUTES: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    pub(super) der: Vec<u8>,
    pub(super) tenancy: String,
}

impl Certificate {
    /// The first certificate of a PEM text. `Err`: what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let der = pem::certificates(text).into_iter().next();
        let der = der.ok_or("it is not a certificate in PEM")?;
        let tenancy = tenancy(&der).map_err(|_| "it cannot be read")?;
        let tenancy = tenancy.ok_or("its subject names no tenancy")?;
        Ok(Self { der, tenancy })
    }

    /// As a key id has it: SHA-1, upper-case pairs of hex digits with colons.
    pub(super) fn fingerprint(&self) -> String {
        let pairs: Vec<_> = crypto::sha1(&self.der)
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        pairs.join(":")
    }
}

/// The tenancy's OCID in the subject.
fn tenancy(der: &[u8]) -> Result<Option<String>, rsa::pkcs8::der::Error> {
    let certificate = AnyRef::from_der(der)?;
    let mut within = SliceReader::new(certificate.value())?;
    let to_be_signed = AnyRef::decode(&mut within)?;
    let mut fields = SliceReader::new(to_be_signed.value())?;
    let first = AnyRef::decode(&mut fields)?;
    // A version stands before the serial number, unless it is the first.
    if first.tag() != Tag::Integer {
        AnyRef::decode(&mut fields)?;
    }
    // The algorithm, the issuer, the validity.
    for _ in 0..3 {
        AnyRef::decode(&mut fields)?;
    }
    let subject = AnyRef::decode(&mut fields)?;
    let mut names = SliceReader::new(subject.value())?;
    let mut attributes = 0;
    while !names.is_finished() {
        let set = AnyRef::decode(&mut names)?;
        let mut members = SliceReader::new(set.value())?;
        while !members.is_finished() {
            attributes += 1;
            if attributes > MAX_ATTRIBUTES {
                return Ok(None);
            }
            let attribute = AnyRef::decode(&mut members)?;
            let mut parts = SliceReader::new(attribute.value())?;
            AnyRef::decode(&mut parts)?;
            let value = AnyRef::decode(&mut parts)?;
            if let Some(tenancy) = marked(value.value()) {
                return Ok(Some(tenancy));
            }
        }
    }
    Ok(None)
}

fn marked(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    let ocid = TENANCY_MARKS
        .iter()
        .find_map(|mark| text.strip_prefix(mark))?;
    let is_ocid = ocid.starts_with("ocid1.")
        && ocid
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    is_ocid.then(|| ocid.to_owned())
}

#[cfg(test)]
mod tests;
