//! Prometheus' text format 0.0.4: families, labels and histograms as lines. Pure. Labels are formatted here and nowhere else, so only
//! when somebody reads.

use std::fmt::{Display, Write as _};

use crate::stats::histogram::Snapshot;

/// What the text is, as HTTP says it.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How many of a histogram's own unit make one of its family's: microseconds, for families in seconds.
pub(crate) const MICROS: u32 = 1_000_000;
/// The same unit.
pub(crate) const ONES: u32 = 1;

/// What a family's figures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Names and values; the names are metric-like already, the values may be anything.
pub(crate) type Labels<'a> = [(&'a str, &'a str)];

/// The text as far as it is written.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    /// Begins a family: all its samples follow before the next one begins.
    pub(crate) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        self.family = name;
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(crate) fn sample(&mut self, labels: &Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    /// A family of one sample without labels.
    pub(crate) fn single(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &str,
        value: impl Display,
    ) {
        self.family(name, kind, help);
        self.sample(&[], value);
    }

    /// One histogram of the family; `divisor` of its units make one of the family's.
    pub(crate) fn histogram(&mut self, labels: &Labels<'_>, snapshot: &Snapshot, divisor: u32) {
        let mut cumulated = 0;
        for (index, count) in snapshot.counts.iter().enumerate() {
            cumulated += count;
            let bound = snapshot.bounds.get(index);
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| scaled(*bound, divisor));
            self.line("_bucket", labels, Some(&bound), cumulated);
        }
        self.line("_sum", labels, None, scaled(snapshot.sum, divisor));
        self.line("_count", labels, None, cumulated);
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn line(
        &mut self,
        suffix: &str,
        labels: &Labels<'_>,
        bound: Option<&str>,
        value: impl Display,
    ) {
        let _ = write!(self.text, "{}{suffix}", self.family);
        let all = labels
            .iter()
            .copied()
            .chain(bound.map(|bound| ("le", bound)));
        let mut opened = false;
        for (name, value) in all {
            let before = if opened { ',' } else { '{' };
            let _ = write!(self.text, "{before}{name}=\"");
            escape(&mut self.text, value);
            self.text.push('"');
            opened = true;
        }
        let after = if opened { "}" } else { "" };
        let _ = writeln!(self.text, "{after} {value}");
    }
}

/// Sums stay far below the 2^53 that a float tells apart.
fn scaled(value: u64, divisor: u32) -> String {
    (value as f64 / f64::from(divisor)).to_string()
}

fn escape(text: &mut String, value: &str) {
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str(r"\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str(r"\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::histogram::Histogram;

    #[test]
    fn families_and_samples() {
        let mut text = Exposition::default();
        text.single("up", Kind::Gauge, "Whether it is.", 1);
        text.family("seen_total", Kind::Counter, "With a \\ and\na line.");
        text.sample(&[("who", "a\"b\\c\nd é")], 7);
        text.sample(&[("who", "x"), ("where", "y")], 0.5);
        let expected = "# HELP up Whether it is.\n# TYPE up gauge\nup 1\n\
            # HELP seen_total With a \\\\ and\\na line.\n# TYPE seen_total counter\n\
            seen_total{who=\"a\\\"b\\\\c\\nd é\"} 7\nseen_total{who=\"x\",where=\"y\"} 0.5\n";
        assert_eq!(text.into_text(), expected);
    }

    #[test]
    fn histograms_are_cumulated() {
        const BOUNDS: [u64; 3] = [10_000, 2_560_000, 10_000_000];
        let histogram = Histogram::new(&BOUNDS);
        for value in [10_000, 10_001, 99_000_000] {
            histogram.observe(value);
        }
        let mut text = Exposition::default();
        text.family("took_seconds", Kind::Histogram, "How long.");
        text.histogram(&[("m", "x")], &histogram.snapshot(), MICROS);
        text.histogram(&[], &histogram.snapshot(), ONES);
        let expected = "# HELP took_seconds How long.\n# TYPE took_seconds histogram\n\
            took_seconds_bucket{m=\"x\",le=\"0.01\"} 1\n\
            took_seconds_bucket{m=\"x\",le=\"2.56\"} 2\n\
            took_seconds_bucket{m=\"x\",le=\"10\"} 2\n\
            took_seconds_bucket{m=\"x\",le=\"+Inf\"} 3\n\
            took_seconds_sum{m=\"x\"} 99.020001\ntook_seconds_count{m=\"x\"} 3\n\
            took_seconds_bucket{le=\"10000\"} 1\n\
            took_seconds_bucket{le=\"2560000\"} 2\n\
            took_seconds_bucket{le=\"10000000\"} 2\n\
            took_seconds_bucket{le=\"+Inf\"} 3\n\
            took_seconds_sum 99020001\ntook_seconds_count 3\n";
        assert_eq!(text.into_text(), expected);
    }
}
