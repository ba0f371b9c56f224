//! Markdown, ready for the README. Pure.

use std::fmt::Write;

use crate::client::Kind;
use crate::fault::Fault;
use crate::figures::Figures;

const NO_FIGURE: &str = "–";
const COLUMNS: [&str; 13] = [
    "Fault of one of three accounts",
    "Answer",
    "First hit: requests",
    "errors",
    "attempts/request",
    "met it",
    "added p50",
    "added p99",
    "Steady: requests",
    "errors",
    "attempts/request",
    "met it",
    "added p99, all",
];
/// The columns from here on are numbers.
const FIRST_NUMBER: usize = 2;

/// One line of the table.
pub(crate) struct Row {
    fault: Fault,
    kind: Kind,
    figures: Vec<Figures>,
}

impl Row {
    /// `figures`: of the first hits and of the steady state, or of the one load in which both are seen.
    pub(crate) fn new(fault: Fault, kind: Kind, figures: Vec<Figures>) -> Self {
        Self {
            fault,
            kind,
            figures,
        }
    }

    fn cells(&self) -> Vec<String> {
        let (first, steady) = (&self.figures[0], &self.figures[self.figures.len() - 1]);
        // Without a fault nobody meets one, and all requests show what is noise.
        let (p50, p99) = if self.fault == Fault::Nothing {
            (first.all_p50, first.all_p99)
        } else {
            (first.met_p50, first.met_p99)
        };
        vec![
            self.fault.name(),
            self.kind.name().to_owned(),
            first.requests.to_string(),
            percent(first.error_rate()),
            number(first.attempts, 2),
            first.met.to_string(),
            signed(p50),
            signed(p99),
            steady.requests.to_string(),
            percent(steady.error_rate()),
            number(steady.attempts, 2),
            steady.met.to_string(),
            signed(steady.all_p99),
        ]
    }
}

/// The whole table, its columns aligned.
pub(crate) fn table(rows: &[Row]) -> String {
    let head = COLUMNS.map(str::to_owned).to_vec();
    let lines: Vec<_> = std::iter::once(head)
        .chain(rows.iter().map(Row::cells))
        .collect();
    let width = |column: usize| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..COLUMNS.len()).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            if column < FIRST_NUMBER {
                write!(text, "| {cell:<width$} ").unwrap();
            } else {
                write!(text, "| {cell:>width$} ").unwrap();
            }
        }
        text += "|\n";
        if number == 0 {
            text += &rule(&widths);
        }
    }
    text
}

/// The line between the head and the rows.
fn rule(widths: &[usize]) -> String {
    let cells = widths.iter().enumerate().map(|(column, width)| {
        let (dashes, end) = ("-".repeat(width + 1), column >= FIRST_NUMBER);
        format!("|{dashes}{}", if end { ':' } else { '-' })
    });
    cells.collect::<String>() + "|\n"
}

fn percent(figure: Option<f64>) -> String {
    figure.map_or_else(|| NO_FIGURE.to_owned(), |figure| format!("{figure:.2} %"))
}

pub(crate) fn number(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(
        || NO_FIGURE.to_owned(),
        |figure| format!("{figure:.digits$}"),
    )
}

fn signed(figure: Option<f64>) -> String {
    figure.map_or_else(|| NO_FIGURE.to_owned(), |figure| format!("{figure:+.1}"))
}
