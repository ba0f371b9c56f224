//! Looks keys up in one or several sections and reads their values; what is wrong goes into the report and the default stands
//! in, so that one run finds all problems. Knows no key's meaning. Follows the specification's §2.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::error::Report;
use super::file::{Entry, Section};
use super::value;

/// Longest part of a bad value that a message repeats, characters.
const MAX_SHOWN_VALUE: usize = 60;

/// The sections that a group of keys may stand in.
pub(super) struct Entries<'a> {
    /// A key may stand in any of these, but in one of them only.
    own: Vec<&'a Section>,
    /// Asked when none of the own sections has the key.
    inherited: Vec<&'a Section>,
}

/// Whether a message may repeat the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    Value,
    Nothing,
}

impl<'a> Entries<'a> {
    pub(super) fn of(own: Vec<&'a Section>) -> Self {
        Self {
            own,
            inherited: Vec::new(),
        }
    }

    pub(super) fn inheriting(mut self, inherited: Vec<&'a Section>) -> Self {
        self.inherited = inherited;
        self
    }

    /// The entry of a key, its value empty or not. Set in two places: an error at the second one.
    pub(super) fn find(&self, key: &str, report: &mut Report) -> Option<&'a Entry> {
        first_of(&self.own, key, report).or_else(|| first_of(&self.inherited, key, report))
    }

    /// `find`, for keys that count as not set when nothing follows the `=`.
    pub(super) fn find_filled(&self, key: &str, report: &mut Report) -> Option<&'a Entry> {
        self.find(key, report)
            .filter(|entry| !entry.value.is_empty())
    }

    /// An optional key that counts as not set when it is empty.
    pub(super) fn optional<T>(
        &self,
        key: &str,
        report: &mut Report,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let entry = self.find_filled(key, report)?;
        read(entry, key, Show::Value, report, parse)
    }

    /// A key that must be there and filled; else the error names the section it belongs into, at the line of its header.
    pub(super) fn required<T>(
        &self,
        key: &str,
        what: &str,
        report: &mut Report,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        if let Some(entry) = self.find(key, report) {
            if entry.value.is_empty() {
                report.error(entry.line, key, format!("empty, expected {what}"));
                return None;
            }
            return read(entry, key, Show::Value, report, parse);
        }
        // The last one has a header, if any has.
        let (title, line) = match self.own.last() {
            Some(section) if !section.name.is_empty() => (section.title(), section.line),
            _ => ("[DEFAULT]".to_owned(), 1),
        };
        report.error(line, key, format!("missing in {title}, expected {what}"));
        None
    }

    pub(super) fn integer(
        &self,
        key: &str,
        range: RangeInclusive<u32>,
        report: &mut Report,
    ) -> Option<u32> {
        self.present(key, report, |text| value::integer(text, &range))
    }

    pub(super) fn fraction(
        &self,
        key: &str,
        range: RangeInclusive<f64>,
        report: &mut Report,
    ) -> Option<f64> {
        self.present(key, report, |text| value::fraction(text, &range))
    }

    pub(super) fn size(
        &self,
        key: &str,
        range: RangeInclusive<usize>,
        report: &mut Report,
    ) -> Option<usize> {
        self.present(key, report, |text| value::size(text, &range))
    }

    pub(super) fn duration(
        &self,
        key: &str,
        range: RangeInclusive<Duration>,
        report: &mut Report,
    ) -> Option<Duration> {
        self.present(key, report, |text| value::duration(text, &range))
    }

    pub(super) fn boolean(&self, key: &str, report: &mut Report) -> Option<bool> {
        self.present(key, report, value::boolean)
    }

    /// An optional key whose value must be good if the key is there: an empty one is an error.
    pub(super) fn present<T>(
        &self,
        key: &str,
        report: &mut Report,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let entry = self.find(key, report)?;
        read(entry, key, Show::Value, report, parse)
    }
}

/// Reads an entry's value; a bad one is reported at its line.
pub(super) fn read<T>(
    entry: &Entry,
    key: &str,
    show: Show,
    report: &mut Report,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let problem = match parse(&entry.value) {
        Ok(value) => return Some(value),
        Err(problem) => problem,
    };
    let problem = match show {
        Show::Value => format!("{problem}, got {}", shown_value(&entry.value)),
        Show::Nothing => problem,
    };
    report.error(entry.line, key, problem);
    None
}

fn shown_value(value: &str) -> String {
    // What stands before the host of a URL is a user and a password.
    if let Some((scheme, rest)) = value.split_once("://")
        && let Some((_, host)) = rest.rsplit_once('@')
    {
        return shown_value(&format!("{scheme}://***{host}"));
    }
    let cut = value
        .char_indices()
        .nth(MAX_SHOWN_VALUE)
        .and_then(|(cut, _)| value.get(..cut));
    match cut {
        Some(beginning) => format!("{:?}", format!("{beginning}…")),
        None => format!("{value:?}"),
    }
}

fn first_of<'a>(sections: &[&'a Section], key: &str, report: &mut Report) -> Option<&'a Entry> {
    // `passphrase` is how OCI's Go tools also spell it.
    let is_it = |entry: &&Entry| entry.is(key) || (key == "pass_phrase" && entry.is("passphrase"));
    let mut found = sections
        .iter()
        .flat_map(|section| &section.entries)
        .filter(is_it);
    let first = found.next()?;
    for again in found {
        report.error(
            again.line,
            key,
            format!("already set at line {}, expected it once", first.line),
        );
    }
    Some(first)
}
