//! One account's credentials: from a section's entries to what `oci` signs with. The same for the one account of a single file
//! and for each of many. Looks at no file but the configuration: keys are loaded later. Follows the specification's §2 and
//! reference §3.

use std::path::Path;

use super::entries::Entries;
use super::error::Report;
use super::identity::Kind;
use super::{known, value};
use crate::accounts;
use crate::oci::UpstreamSettings;

/// What paths are relative to.
#[derive(Clone, Copy)]
pub(super) struct Paths<'a> {
    /// The directory of the configuration file.
    pub(super) base: &'a Path,
    /// What `~` stands for, if the environment says.
    pub(super) home: Option<&'a Path>,
}

/// The credentials; `None` if something is wrong, and then the report says what. `own`: the account's own section, without what it
/// inherits.
pub(super) fn upstream(
    own: &Entries<'_>,
    entries: &Entries<'_>,
    paths: Paths<'_>,
    report: &mut Report,
) -> Option<UpstreamSettings> {
    let ocid = |kind: &'static str| move |text: &str| value::ocid(text, kind);
    refuse_unsupported(own, report);
    let kind = Kind::of(own, entries, report)?;
    kind.refuse_foreign(own, report);
    let identity = kind.identity(entries, paths, report);
    let place = region(entries, kind.knows_region(), report);
    let tenancy = entries.optional("tenancy", report, ocid("tenancy"));
    let compartment_id = entries.optional("compartment_id", report, ocid("compartment"));
    let endpoint = entries.optional("endpoint", report, value::endpoint);
    let control_endpoint = entries.optional("control_endpoint", report, value::endpoint);
    Some(UpstreamSettings {
        identity: identity?,
        region: if kind.knows_region() {
            place
        } else {
            Some(place?)
        },
        compartment_id: compartment_id.or(tenancy),
        // Whoever redirects one service wants the other redirected as well: a private endpoint, a simulator.
        control_endpoint: control_endpoint.or_else(|| endpoint.clone()),
        endpoint,
    })
}

/// The kinds of call that such an account can make.
pub(super) fn ways(upstream: &UpstreamSettings) -> accounts::paths::Paths {
    if upstream.identity.signs() {
        accounts::paths::Paths::Either
    } else {
        accounts::paths::Paths::OpenAi
    }
}

/// Errors about keys that ask for another way to log in. `entries` must not inherit: what stands in `[DEFAULT]` says nothing about an
/// account that has a key of its own.
fn refuse_unsupported(entries: &Entries<'_>, report: &mut Report) {
    for (key, problem) in known::UNSUPPORTED {
        if let Some(entry) = entries.find(key, report) {
            report.error(entry.line, key, *problem);
        }
    }
}

fn region(
    entries: &Entries<'_>,
    is_optional: bool,
    report: &mut Report,
) -> Option<crate::names::Region> {
    let (region, known) = if is_optional {
        entries.optional("region", report, value::region)?
    } else {
        entries.required(
            "region",
            "a region such as us-chicago-1",
            report,
            value::region,
        )?
    };
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
