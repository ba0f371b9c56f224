//! What `-check` prints: a table, one row an account, and under it what is to be said. Pure: text in, text out.

use std::fmt;

const HEADERS: [&str; 6] = ["account", "region", "key", "fingerprint", "clock", "call"];
const GAP: &str = "  ";

pub(crate) struct Report {
    /// Of the file.
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
    pub(super) notes: Vec<Note>,
}

/// One account, a cell a column.
pub(super) struct Row {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) key: String,
    pub(super) fingerprint: String,
    pub(super) clock: String,
    pub(super) call: String,
    /// `None`: it counts neither way.
    pub(super) is_good: Option<bool>,
}

pub(super) struct Note {
    level: Level,
    text: String,
    /// What to do about it; may be empty.
    advice: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Failure,
    Warning,
    Remark,
}

impl Report {
    /// All accounts are.
    pub(crate) fn is_good(&self) -> bool {
        !self.rows.iter().any(|row| row.is_good == Some(false))
    }

    fn summary(&self) -> String {
        let counted = self.rows.iter().filter_map(|row| row.is_good);
        let (good, all) = (
            counted.clone().filter(|good| *good).count(),
            counted.count(),
        );
        match (good, all) {
            (1, 1) => "The account is good.".to_owned(),
            (good, all) if good == all => format!("All {all} accounts are good."),
            (good, all) => format!("{good} of {all} accounts good."),
        }
    }
}

impl Row {
    pub(super) fn disabled(account: &str) -> Self {
        let nothing = || "-".to_owned();
        Self {
            account: account.to_owned(),
            region: nothing(),
            key: nothing(),
            fingerprint: nothing(),
            clock: nothing(),
            call: "disabled".to_owned(),
            is_good: None,
        }
    }

    fn cells(&self) -> [&str; HEADERS.len()] {
        [
            &self.account,
            &self.region,
            &self.key,
            &self.fingerprint,
            &self.clock,
            &self.call,
        ]
    }
}

impl Note {
    pub(super) fn new(level: Level, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            level,
            text: text.into(),
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        let lines: Vec<_> = std::iter::once(HEADERS)
            .chain(self.rows.iter().map(Row::cells))
            .collect();
        let mut widths = [0; HEADERS.len()];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = cell.chars().count().max(*width);
            }
        }
        for line in &lines {
            let cells = line.iter().zip(widths);
            let cells: Vec<_> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(f, "{}", cells.join(GAP).trim_end())?;
        }
        writeln!(f)?;
        let mut notes: Vec<_> = self.notes.iter().collect();
        notes.sort_by_key(|note| note.level);
        for note in &notes {
            writeln!(f, "{}: {}", note.level, note.text)?;
            if !note.advice.is_empty() {
                writeln!(f, "{GAP}-> {}", note.advice)?;
            }
        }
        if !notes.is_empty() {
            writeln!(f)?;
        }
        writeln!(f, "{}", self.summary())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failure => "failed",
            Self::Warning => "warning",
            Self::Remark => "remark",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(account: &str, call: &str, is_good: bool) -> Row {
        Row {
            account: account.to_owned(),
            region: "us-phoenix-1".to_owned(),
            key: "loads".to_owned(),
            fingerprint: "matches".to_owned(),
            clock: "right".to_owned(),
            call: call.to_owned(),
            is_good: Some(is_good),
        }
    }

    #[test]
    fn columns_are_aligned_and_failures_come_first() {
        let report = Report {
            title: "c.conf: fine".to_owned(),
            rows: vec![
                row("one", "good, 3 ms", true),
                row("the_second", "FAILS: 401", false),
                Row::disabled("third"),
            ],
            notes: vec![
                Note::new(Level::Remark, "a remark", ""),
                Note::new(Level::Failure, "the_second: 401", "compare"),
            ],
        };
        assert!(!report.is_good());
        assert_eq!(
            report.to_string(),
            "c.conf: fine\n\
             \n\
             account     region        key    fingerprint  clock  call\n\
             one         us-phoenix-1  loads  matches      right  good, 3 ms\n\
             the_second  us-phoenix-1  loads  matches      right  FAILS: 401\n\
             third       -             -      -            -      disabled\n\
             \n\
             failed: the_second: 401\n  \
             -> compare\n\
             remark: a remark\n\
             \n\
             1 of 2 accounts good.\n"
        );
    }

    #[test]
    fn what_is_disabled_counts_neither_way() {
        let report = Report {
            title: String::new(),
            rows: vec![row("one", "good", true), Row::disabled("two")],
            notes: Vec::new(),
        };
        assert!(report.is_good());
        assert!(report.to_string().ends_with("\n\nThe account is good.\n"));
    }
}
