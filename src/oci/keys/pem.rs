//! Finds the private key in the text of a `key_file`: PEM armour, the old encryption headers, base64. Lenient about what
//! stands around the armour and about line ends, because keys travel through mail, YAML and environment variables.
//! Never knows what is inside the block. Source: RFC 7468, RFC 1421 §4.6, reference §2.1.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::KeyError;

/// One armoured block.
pub(super) struct Block {
    /// What stands after `BEGIN`, such as `RSA PRIVATE KEY`.
    pub(super) label: String,
    /// `Some` if the block is encrypted in the old way: the value of `DEK-Info`, empty if that header is missing.
    pub(super) dek_info: Option<String>,
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// Certificates of one text. A chain has two or three.
const MAX_CERTIFICATES: usize = 16;

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// Some tools leave out the padding, or break it off.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The first block whose label ends in `PRIVATE KEY`; without one, an error that says what the file holds instead.
/// Everything before and after the block is ignored: Oracle tells users to add a line `OCI_API_KEY` at the end.
pub(super) fn private_key(text: &str) -> Result<Block, KeyError> {
    let text = with_plain_line_ends(text);
    let mut other = None;
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once(BEGIN) {
        rest = after;
        let Some((label, body)) = after.split_once(DASHES) else {
            break;
        };
        if label.ends_with("PRIVATE KEY") {
            let end = format!("{DASHES}END {label}{DASHES}");
            let (body, _) = body.split_once(end.as_str()).ok_or(KeyError::Cut)?;
            return block(label, body);
        }
        other.get_or_insert(label);
    }
    Err(without_private_key(&text, other))
}

/// The certificates of a text, in DER and in their order; what cannot be read is left out.
pub(in crate::oci) fn certificates(text: &str) -> Vec<Vec<u8>> {
    const LABEL: &str = "CERTIFICATE-----";
    let text = with_plain_line_ends(text);
    let blocks = text.split(BEGIN).skip(1).take(MAX_CERTIFICATES);
    let bodies = blocks.filter_map(|block| {
        let (body, _) = block.strip_prefix(LABEL)?.split_once("-----END ")?;
        Some(body)
    });
    bodies
        .filter_map(|body| Some(block("CERTIFICATE", body).ok()?.der.to_vec()))
        .collect()
}

fn without_private_key(text: &str, label: Option<&str>) -> KeyError {
    let text = text.trim_start_matches('\u{feff}').trim_start();
    match label {
        Some(label) if label.ends_with("PUBLIC KEY") => KeyError::NotPrivate("a public key"),
        Some(label) if label.contains("CERTIFICATE") => KeyError::NotPrivate("a certificate"),
        Some(_) => KeyError::NotPrivate("something other than a private key"),
        None if text.starts_with("ssh-") => KeyError::NotPrivate("an OpenSSH public key"),
        None if text.starts_with("PuTTY-User-Key-File") => KeyError::PuttyKey,
        None => KeyError::NotPem,
    }
}

/// CR LF and CR become LF, and so do the two characters `\n`, which is how keys arrive through environment variables and
/// JSON. No other backslash can be part of a PEM block.
fn with_plain_line_ends(text: &str) -> Zeroizing<String> {
    // The final size at once: a string that grows would leave pieces of the key behind in freed memory.
    let mut plain = Zeroizing::new(String::with_capacity(text.len()));
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some('n')) => {
                characters.next();
                plain.push('\n');
            }
            ('\\', Some('r')) => {
                characters.next();
            }
            ('\\', _) | ('\r', Some('\n')) => {}
            ('\r', _) => plain.push('\n'),
            (character, _) => plain.push(character),
        }
    }
    plain
}

fn block(label: &str, body: &str) -> Result<Block, KeyError> {
    let mut encrypted = false;
    let mut dek_info = String::new();
    let mut digits = Zeroizing::new(Vec::with_capacity(body.len()));
    for line in body.lines() {
        // Base64 has no colon, so that a line with one is a header, blank line or not.
        if let Some((name, value)) = line.split_once(':') {
            let value = value.trim();
            match name.trim() {
                "Proc-Type" => encrypted = value.ends_with("ENCRYPTED"),
                "DEK-Info" => value.clone_into(&mut dek_info),
                _ => {}
            }
        } else {
            digits.extend(line.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        }
    }
    Ok(Block {
        label: label.to_owned(),
        dek_info: encrypted.then_some(dek_info),
        der: decoded(&digits)?,
    })
}

fn decoded(digits: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let room = base64::decoded_len_estimate(digits.len());
    let mut der = Zeroizing::new(vec![0; room]);
    let length = BASE64
        .decode_slice(digits, &mut der)
        .map_err(|_| KeyError::Damaged)?;
    der.truncate(length);
    Ok(der)
}
