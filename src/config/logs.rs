//! What `[GLOBAL]` says about the log. Whether a file can be written shows later. Follows the specification's §2 and §3.

use std::ops::RangeInclusive;

use log::LevelFilter;

use super::account::Paths;
use super::entries::Entries;
use super::error::Report;
use super::value;
use crate::logger::{FileSettings, Format, LogSettings};

const LEVELS: [(&str, LevelFilter); 4] = [
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
];
/// Bytes: with the older ones that are kept, 40 MiB of disk.
const LOG_FILE_MAX_SIZE: usize = 10 << 20;
const LOG_FILE_KEEP: u32 = 3;
/// Smaller ones would be turned over with each few lines, larger ones nobody can open.
const FILE_SIZE: RangeInclusive<usize> = 4096..=1 << 30;

pub(super) fn settings(global: &Entries<'_>, paths: Paths<'_>, report: &mut Report) -> LogSettings {
    let level = global.present("log_level", report, level);
    let format = global.present("log_format", report, format);
    let max_size = global.present("log_file_max_size", report, |text| {
        match value::size(text, &(0..=0)) {
            Ok(0) => Ok(0),
            _ => value::size(text, &FILE_SIZE)
                .map_err(|expected| format!("{expected}, or 0 for a file that only grows")),
        }
    });
    let keep = global.integer("log_file_keep", 0..=100, report);
    let path = global.optional("log_file", report, |text| {
        value::path(text, paths.base, paths.home)
    });
    LogSettings {
        level,
        format: format.unwrap_or(Format::Text),
        file: path.map(|path| FileSettings {
            path,
            max_size: max_size.unwrap_or(LOG_FILE_MAX_SIZE) as u64,
            keep: keep.unwrap_or(LOG_FILE_KEEP),
        }),
    }
}

fn level(text: &str) -> Result<LevelFilter, String> {
    let is_it = |(name, _): &&(&str, LevelFilter)| name.eq_ignore_ascii_case(text);
    match LEVELS.iter().find(is_it) {
        Some((_, level)) => Ok(*level),
        None => Err(format!(
            "expected {}",
            LEVELS.map(|(name, _)| name).join(", ")
        )),
    }
}

fn format(text: &str) -> Result<Format, String> {
    let is_it = |format: &Format| format.as_str().eq_ignore_ascii_case(text);
    Format::ALL
        .into_iter()
        .find(is_it)
        .ok_or_else(|| format!("expected {}", Format::ALL.map(Format::as_str).join(" or ")))
}
