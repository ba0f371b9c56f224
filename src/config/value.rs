//! The forms of a value: numbers, durations, sizes, words, OCIDs, URLs, paths. Each function takes the text and gives the value
//! or what was expected instead, never the text itself: whether that may be shown is the caller's to know.
//! Follows the specification's §2.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::names::{Region, Secret};
use crate::oci::region;
use crate::oci::wire::ApiFormat;
use crate::translate::models::{OpenAiPath, UpstreamApi};

/// The value that the sample file has where a key is to be generated.
pub(super) const API_KEY_PLACEHOLDER: &str = "auto_generated_key";
/// Longest API key of the service, bytes; OCI's have about 60.
const MAX_OCI_KEY_LEN: usize = 1024;
/// Every value of the sample files that the user must replace has this in it.
const PLACEHOLDER_MARK: &str = "your_";
const MAX_ID_LEN: usize = 64;
const FINGERPRINT_BYTES: usize = 16;

type Parsed<T> = Result<T, String>;

fn expected<T>(what: impl std::fmt::Display) -> Parsed<T> {
    Err(format!("expected {what}"))
}

pub(super) fn boolean(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => expected("true or false"),
    }
}

pub(super) fn integer(text: &str, range: &RangeInclusive<u32>) -> Parsed<u32> {
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => expected(format_args!("{} to {}", range.start(), range.end())),
    }
}

pub(super) fn fraction(text: &str, range: &RangeInclusive<f64>) -> Parsed<f64> {
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => expected(format_args!("{} to {}", range.start(), range.end())),
    }
}

/// `500ms`, `30s`, `2m`, `1h`; a bare number is seconds.
pub(super) fn duration(text: &str, range: &RangeInclusive<Duration>) -> Parsed<Duration> {
    let (number, unit) = number_and_unit(text);
    let millis = match unit.as_str() {
        "ms" => Some(1),
        "" | "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let Some(millis) = millis
        .zip(number)
        .and_then(|(unit, number)| number.checked_mul(unit))
    else {
        return expected("a duration such as 500ms, 30s, 2m or 1h");
    };
    let duration = Duration::from_millis(millis);
    if range.contains(&duration) {
        return Ok(duration);
    }
    expected(format_args!(
        "{} to {}",
        duration_text(*range.start()),
        duration_text(*range.end())
    ))
}

/// A duration as the user would write it, in the largest unit that fits.
fn duration_text(duration: Duration) -> String {
    match duration.as_millis() {
        0 => "0".to_owned(),
        millis if millis % 3_600_000 == 0 => format!("{}h", millis / 3_600_000),
        millis if millis % 60_000 == 0 => format!("{}m", millis / 60_000),
        millis if millis % 1_000 == 0 => format!("{}s", millis / 1_000),
        millis => format!("{millis}ms"),
    }
}

/// Bytes: a bare number, or one with `KiB`, `MiB`, `GiB`. `KB` and `K` mean the same as `KiB`: nobody counts memory in
/// thousands.
pub(super) fn size(text: &str, range: &RangeInclusive<usize>) -> Parsed<usize> {
    let (number, unit) = number_and_unit(text);
    let shift = match unit.as_str() {
        "" | "b" => Some(0),
        "k" | "kb" | "kib" => Some(10),
        "m" | "mb" | "mib" => Some(20),
        "g" | "gb" | "gib" => Some(30),
        _ => None,
    };
    let Some((shift, number)) = shift.zip(number) else {
        return expected("a size in bytes, or one such as 512KiB, 32MiB or 1GiB");
    };
    match number
        .checked_mul(1 << shift)
        .and_then(|bytes| usize::try_from(bytes).ok())
    {
        Some(bytes) if range.contains(&bytes) => Ok(bytes),
        _ => expected(format_args!("{} to {} bytes", range.start(), range.end())),
    }
}

/// The leading digits, and the unit after them in lower case.
fn number_and_unit(text: &str) -> (Option<u64>, String) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).unwrap_or_default();
    (number.parse().ok(), unit.trim().to_ascii_lowercase())
}

/// An OCID, checked leniently: new kinds and realms come up. `kind` (`user`, `tenancy`) only makes the message clearer.
pub(super) fn ocid(text: &str, kind: &str) -> Parsed<String> {
    let wanted = format!("an OCID such as ocid1.{kind}.oc1..aaaa…");
    if text.contains(PLACEHOLDER_MARK) {
        return still_placeholder(&wanted);
    }
    let well_formed = text.starts_with("ocid1.")
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/');
    if well_formed {
        Ok(text.to_owned())
    } else {
        expected(wanted)
    }
}

/// 16 pairs of hex digits with colons, given back in lower case. Source: reference §2.1.
pub(super) fn fingerprint(text: &str) -> Parsed<String> {
    const WANTED: &str = "16 pairs of hex digits with colons between, as the OCI console shows it";
    if text.contains(PLACEHOLDER_MARK) {
        return still_placeholder(WANTED);
    }
    let pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
    if text.split(':').count() == FINGERPRINT_BYTES && text.split(':').all(pair) {
        Ok(text.to_ascii_lowercase())
    } else {
        expected(WANTED)
    }
}

fn still_placeholder<T>(wanted: &str) -> Parsed<T> {
    Err(format!("still the sample's placeholder; expected {wanted}"))
}

/// A path as the user means it: `~` is the home directory, a relative one begins at `base`.
pub(super) fn key_file(text: &str, base: &Path, home: Option<&Path>) -> Parsed<PathBuf> {
    if text.contains("your_private_key") {
        return still_placeholder("the path of your private key, a PEM file");
    }
    path(text, base, home)
}

/// See [`key_file`].
pub(super) fn path(text: &str, base: &Path, home: Option<&Path>) -> Parsed<PathBuf> {
    let Some(below) = text.strip_prefix('~') else {
        // Without the `.` of `./key.pem`, which would stand in the middle of the path in messages.
        return Ok(base.join(text).components().collect());
    };
    let below = below
        .strip_prefix(['/', std::path::MAIN_SEPARATOR])
        .or(below.is_empty().then_some(below));
    match (below, home) {
        (Some(below), Some(home)) => Ok(home.join(below)),
        (Some(_), None) => expected("a path without ~: the environment names no home directory"),
        (None, _) => expected("a path; of those with ~ only ~/… is understood"),
    }
}

/// The region, and whether it is in the list of those that are known to host the service.
pub(super) fn region(text: &str) -> Parsed<(Region, bool)> {
    match region::parse(text) {
        Some(info) => Ok((info.region, info.known)),
        None => expected("a region such as us-chicago-1, or its three-letter code"),
    }
}

/// The base URL of a service, given back without a trailing slash.
pub(super) fn endpoint(text: &str) -> Parsed<String> {
    const WANTED: &str =
        "an http or https URL without path and query, such as https://host.example:8443";
    let split = text
        .split_once("://")
        .map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
    let Some((scheme, rest)) =
        split.filter(|(scheme, _)| ["http", "https"].contains(&scheme.as_str()))
    else {
        return expected(WANTED);
    };
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if is_authority(authority) {
        Ok(format!("{scheme}://{authority}"))
    } else {
        expected(WANTED)
    }
}

/// `host`, `host:port`, `[v6]` or `[v6]:port`; no user, no path.
fn is_authority(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[').map(|rest| rest.split_once(']')) {
        Some(Some((host, rest))) => {
            let is_v6 = host.parse::<std::net::Ipv6Addr>().is_ok();
            return is_v6 && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
        }
        Some(None) => return false,
        None => authority
            .split_once(':')
            .map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let named = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    named && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// An account's id goes into the header `x-ociai-account` and into query strings.
pub(super) fn account_id(text: &str) -> Parsed<String> {
    if text.len() <= MAX_ID_LEN && is_token(text) {
        return Ok(text.to_owned());
    }
    expected(format_args!(
        "1 to {MAX_ID_LEN} letters, digits and signs, without spaces"
    ))
}

/// What may stand right of `*` in `[MODELS]`.
pub(super) fn auto(text: &str) -> Parsed<()> {
    if text.eq_ignore_ascii_case("auto") {
        return Ok(());
    }
    expected("auto: * stands for all models that OCI lists")
}

/// A model as the user names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// At OCI.
    pub(super) id: String,
    /// The wire format that the user forces.
    pub(super) format: Option<ApiFormat>,
    /// Which of OCI's APIs it is asked through, if the user says.
    pub(super) api: Option<UpstreamApi>,
}

/// `id`, and behind a `|` each, in any order: a format, an API.
pub(super) fn model(text: &str) -> Parsed<Model> {
    let mut parts = text.split('|').map(str::trim);
    let id = parts.next().unwrap_or_default();
    if !is_token(id) {
        return expected("an OCI model id such as xai.grok-4, or id | FORMAT");
    }
    let (mut format, mut api) = (None, None);
    for word in parts {
        let is_new = match (word.parse::<ApiFormat>(), UpstreamApi::from_name(word)) {
            (Ok(word), _) => format.replace(word).is_none(),
            (Err(_), Some(word)) => api.replace(word).is_none(),
            (Err(_), None) => false,
        };
        if !is_new {
            return expected(
                "GENERIC, COHERE or COHEREV2 after the |, or native, openai or auto, or one of each",
            );
        }
    }
    if api == Some(UpstreamApi::OpenAi) && format.is_some() {
        return expected("a format only with the native API: leave out the one or the other");
    }
    Ok(Model {
        id: id.to_owned(),
        format,
        api,
    })
}

/// Which of OCI's APIs the models are asked through that do not say themselves.
pub(super) fn upstream_api(text: &str) -> Parsed<UpstreamApi> {
    UpstreamApi::from_name(text).map_or_else(|| expected("native, openai or auto"), Ok)
}

/// Where OCI's OpenAI-compatible API is.
pub(super) fn openai_path(text: &str) -> Parsed<OpenAiPath> {
    let text = text.trim_end_matches('/');
    let mut all = OpenAiPath::ALL.into_iter();
    all.find(|path| path.as_str() == text).map_or_else(
        || expected(OpenAiPath::ALL.map(OpenAiPath::as_str).join(" or ")),
        Ok,
    )
}

/// The clients' keys, one or several with commas between. They arrive in a header, so they are printable ASCII.
pub(super) fn api_keys(text: &str) -> Parsed<Vec<Secret>> {
    let keys: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|key| !key.is_empty())
        .collect();
    if keys.is_empty() || !keys.iter().all(|key| is_token(key)) {
        return expected("keys of printable ASCII without spaces, with commas between");
    }
    if keys.contains(&API_KEY_PLACEHOLDER) {
        return Err(format!(
            "{API_KEY_PLACEHOLDER} stands among other keys; expected it alone, or only keys of your own"
        ));
    }
    Ok(keys.into_iter().map(Secret::new).collect())
}

/// An API key of the service. It goes into a header.
pub(super) fn oci_api_key(text: &str) -> Parsed<Secret> {
    const WANTED: &str =
        "an API key of OCI Generative AI such as sk-…, on one line and without spaces";
    if text.contains(PLACEHOLDER_MARK) {
        return still_placeholder(WANTED);
    }
    if text.len() <= MAX_OCI_KEY_LEN && is_token(text) {
        Ok(Secret::new(text))
    } else {
        expected(WANTED)
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
