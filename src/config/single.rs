//! A single-account file: `[DEFAULT]` has the credentials, and the fleet is one account. A plain `~/.oci/config` is one, once
//! it has models. Follows the specification's §2.

use std::num::NonZeroU32;

use super::AccountSettings;
use super::account::{self, Paths};
use super::entries::Entries;
use super::error::Report;
use super::file::File;
use super::known::Kind;
use super::shared::Global;
use crate::accounts::SeatSettings;
use crate::names::AccountId;

/// The only account's id and section.
const ID: &str = "default";
const SECTION: &str = "DEFAULT";

/// An error if the file is the other kind: then all other complaints would mislead.
pub(super) fn refuse_multi(file: &File, report: &mut Report) {
    let account = file
        .sections
        .iter()
        .find(|section| Kind::of(section) == Kind::Account);
    if let Some(section) = account {
        let problem = "this is a multi-account file: start with -multi-account";
        report.error(section.line, &section.title(), problem);
    }
}

pub(super) fn accounts(
    file: &File,
    global: &Global,
    paths: Paths<'_>,
    report: &mut Report,
) -> Vec<AccountSettings> {
    let entries = Entries::of(
        file.sections
            .iter()
            .filter(|section| Kind::of(section) == Kind::Default)
            .collect(),
    );
    let upstream = account::upstream(&entries, &entries, paths, report);
    let max_concurrency = entries.integer("max_concurrency", 1..=10_000, report);
    let seat = |ways| SeatSettings {
        id: AccountId::new(ID),
        weight: NonZeroU32::MIN,
        // By default the workers are the only limit.
        max_concurrency: max_concurrency
            .and_then(NonZeroU32::new)
            .unwrap_or(global.max_concurrency),
        paths: ways,
    };
    let account = upstream.map(|upstream| AccountSettings {
        section: SECTION.to_owned(),
        seat: seat(account::ways(&upstream)),
        upstream,
    });
    account.into_iter().collect()
}
