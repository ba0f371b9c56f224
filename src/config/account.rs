//! One account's credentials: from a section's entries to what `oci` signs with. The same for the one account of a single file
//! and for each of many. Looks at no file but the configuration: keys are loaded later. Follows the specification's §2 and
//! reference §3.

use std::path::Path;

use super::entries::Entries;
use super::error::Report;
use super::{known, value};
use crate::names::Secret;
use crate::oci::UpstreamSettings;

/// What paths are relative to.
#[derive(Clone, Copy)]
pub(super) struct Paths<'a> {
    /// The directory of the configuration file.
    pub(super) base: &'a Path,
    /// What `~` stands for, if the environment says.
    pub(super) home: Option<&'a Path>,
}

/// The credentials; `None` if something is wrong, and then the report says what.
pub(super) fn upstream(
    entries: &Entries<'_>,
    paths: Paths<'_>,
    report: &mut Report,
) -> Option<UpstreamSettings> {
    let ocid = |kind: &'static str| move |text: &str| value::ocid(text, kind);
    let user = entries.required("user", "the user's OCID", report, ocid("user"));
    let fingerprint = entries.required(
        "fingerprint",
        "the fingerprint of the API key",
        report,
        value::fingerprint,
    );
    let key_file = entries.required(
        "key_file",
        "the path of the private key, a PEM file",
        report,
        |text| value::key_file(text, paths.base, paths.home),
    );
    let tenancy = entries.required("tenancy", "the tenancy's OCID", report, ocid("tenancy"));
    let region = region(entries, report);
    let pass_phrase = entries.find_filled("pass_phrase", report);
    let compartment_id = entries.optional("compartment_id", report, ocid("compartment"));
    let endpoint = entries.optional("endpoint", report, value::endpoint);
    let control_endpoint = entries.optional("control_endpoint", report, value::endpoint);
    let tenancy = tenancy?;
    Some(UpstreamSettings {
        user: user?,
        fingerprint: fingerprint?,
        key_file: key_file?,
        pass_phrase: pass_phrase.map(|entry| Secret::new(entry.value.as_str())),
        region: region?,
        compartment_id: compartment_id.unwrap_or_else(|| tenancy.clone()),
        tenancy,
        // Whoever redirects one service wants the other redirected as well: a private endpoint, a simulator.
        control_endpoint: control_endpoint.or_else(|| endpoint.clone()),
        endpoint,
    })
}

/// Errors about keys that ask for another way to log in. `entries` must not inherit: a session's token in `[DEFAULT]` says
/// nothing about an account that has a key of its own.
pub(super) fn refuse_unsupported(entries: &Entries<'_>, report: &mut Report) {
    for (key, problem) in known::UNSUPPORTED {
        if let Some(entry) = entries.find(key, report) {
            report.error(entry.line, key, *problem);
        }
    }
}

fn region(entries: &Entries<'_>, report: &mut Report) -> Option<crate::names::Region> {
    let (region, known) = entries.required(
        "region",
        "a region such as us-chicago-1",
        report,
        value::region,
    )?;
    if let Some(entry) = entries.find("region", report).filter(|_| !known) {
        report.warn(
            entry.line,
            "region",
            format!(
                "{region} is not in the known list of regions with Generative AI, used as it is"
            ),
        );
    }
    Some(region)
}
