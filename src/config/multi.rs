//! A multi-account file: an `[ACCOUNT_…]` section for each account, which inherits from `[DEFAULT]` what it does not say.
//! Follows the specification's §2.

use std::num::NonZeroU32;

use super::account::{self, Paths};
use super::entries::Entries;
use super::error::Report;
use super::file::{File, Section};
use super::known::Kind;
use super::{AccountSettings, value};
use crate::accounts::SeatSettings;
use crate::names::AccountId;

/// Keys that make `[DEFAULT]` an account.
const LOGIN: [&str; 4] = ["user", "key_file", "auth", "oci_api_key"];
const MAX_CONCURRENCY: u32 = 50;
const WEIGHT: u32 = 1;

/// An error if the file is the other kind: then all other complaints would mislead.
pub(super) fn refuse_single(file: &File, report: &mut Report) {
    if file
        .sections
        .iter()
        .any(|section| Kind::of(section) == Kind::Account)
    {
        return;
    }
    let credentials = |section: &&Section| {
        Kind::of(section) == Kind::Default
            && section
                .entries
                .iter()
                .any(|entry| LOGIN.iter().any(|key| entry.is(key)))
    };
    if let Some(section) = file.sections.iter().find(credentials) {
        let problem = "this is a single-account file: start without -multi-account, or give each account a section [ACCOUNT_…]";
        report.error(section.line, "[DEFAULT]", problem);
    }
}

/// The enabled accounts, in the order of the file. `disabled` gets the ids of the others.
pub(super) fn accounts(
    file: &File,
    paths: Paths<'_>,
    disabled: &mut Vec<AccountId>,
    report: &mut Report,
) -> Vec<AccountSettings> {
    let of = |kind: Kind| {
        file.sections
            .iter()
            .filter(move |section| Kind::of(section) == kind)
    };
    let inherited: Vec<&Section> = of(Kind::Default).collect();
    let mut ids: Vec<(String, usize)> = Vec::new();
    let mut accounts = Vec::new();
    let mut any_enabled = false;
    for section in of(Kind::Account) {
        let own = Entries::of(vec![section]);
        let id = unique_id(section, &own, &mut ids, report);
        // Of a disabled account only the id counts: whoever parks an account may leave it unfinished.
        if !own.boolean("enabled", report).unwrap_or(true) {
            disabled.extend(id.map(AccountId::new));
            continue;
        }
        any_enabled = true;
        let weight = own.integer("weight", 1..=1000, report).unwrap_or(WEIGHT);
        let max_concurrency = own
            .integer("max_concurrency", 1..=10_000, report)
            .unwrap_or(MAX_CONCURRENCY);
        let seat = id.map(|id| {
            move |ways| SeatSettings {
                id: AccountId::new(id),
                weight: NonZeroU32::new(weight).unwrap_or(NonZeroU32::MIN),
                max_concurrency: NonZeroU32::new(max_concurrency).unwrap_or(NonZeroU32::MIN),
                paths: ways,
            }
        });
        let all = Entries::of(vec![section]).inheriting(inherited.clone());
        let upstream = account::upstream(&own, &all, paths, report);
        let section = section.name.clone();
        accounts.extend(seat.zip(upstream).map(|(seat, upstream)| AccountSettings {
            section,
            seat: seat(account::ways(&upstream)),
            upstream,
        }));
    }
    match of(Kind::Account).next() {
        None => report.error(
            1,
            "[ACCOUNT_…]",
            "no account, expected a section [ACCOUNT_…] for each one",
        ),
        Some(first) if !any_enabled => {
            report.error(
                first.line,
                &first.title(),
                "every account is disabled, expected at least one with enabled = true",
            );
        }
        Some(_) => {}
    }
    accounts
}

/// The account's id, by default its section's name; `None` if it is unusable or another account has it.
fn unique_id(
    section: &Section,
    own: &Entries<'_>,
    ids: &mut Vec<(String, usize)>,
    report: &mut Report,
) -> Option<String> {
    let line = own
        .find_filled("id", report)
        .map_or(section.line, |entry| entry.line);
    let id = match own.find_filled("id", report) {
        Some(_) => own.optional("id", report, value::account_id)?,
        None => match value::account_id(&section.name) {
            Ok(id) => id,
            Err(expected) => {
                report.error(
                    line,
                    "id",
                    format!(
                        "{} cannot be an id, {expected}: set id in this section",
                        section.title()
                    ),
                );
                return None;
            }
        },
    };
    if let Some((_, first)) = ids.iter().find(|(known, _)| *known == id) {
        report.error(
            line,
            "id",
            format!(
                "the account at line {first} has this id too, expected a unique one, got {id:?}"
            ),
        );
        return None;
    }
    ids.push((id.clone(), line));
    Some(id)
}
