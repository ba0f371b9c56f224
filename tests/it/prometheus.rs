//! Prometheus' text format, read as strictly as its documentation has it: whatever a careful scraper could refuse is a failure.

use std::collections::{BTreeMap, BTreeSet};

pub(crate) type Labels = BTreeMap<String, String>;

/// What `/metrics` has said.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// By name and labels.
    samples: BTreeMap<(String, Labels), f64>,
    /// Each family's type.
    families: BTreeMap<String, String>,
}

impl Metrics {
    /// Fails the test at the first line that is not as it must be.
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let mut metrics = Self {
            samples: BTreeMap::new(),
            families: BTreeMap::new(),
        };
        let (mut family, mut helped) = (String::new(), None);
        assert!(text.ends_with('\n'), "the last line has no end");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                assert!(is_name(name) && !help.is_empty(), "{line}");
                helped = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                assert_eq!(
                    helped.take().as_deref(),
                    Some(name),
                    "no HELP before {line}"
                );
                assert!(matches!(kind, "counter" | "gauge" | "histogram"), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                let before = metrics.families.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "a family comes twice: {line}");
                family = name.to_owned();
            } else {
                assert!(helped.is_none(), "a HELP without TYPE before {line}");
                metrics.sample(&family, line);
            }
        }
        metrics.check_histograms();
        metrics
    }

    fn sample(&mut self, family: &str, line: &str) {
        let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
        let (name, rest) = line.split_at(end);
        assert!(is_name(name), "{line}");
        let (labels, value) = match rest.strip_prefix('{') {
            Some(rest) => labels(rest, line),
            None => (Labels::new(), rest),
        };
        let value = value.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let fits = match self.families.get(family).map(String::as_str) {
            Some("histogram") => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|suffix| name.strip_suffix(suffix) == Some(family)),
            Some(_) => name == family,
            None => false,
        };
        assert!(fits, "{line} does not belong to {family:?}");
        let before = self.samples.insert((name.to_owned(), labels), value);
        assert_eq!(before, None, "a series comes twice: {line}");
    }

    fn check_histograms(&self) {
        for (family, _) in self
            .families
            .iter()
            .filter(|(_, kind)| *kind == "histogram")
        {
            let series: BTreeSet<Labels> = self
                .of(&format!("{family}_bucket"))
                .map(|(labels, _)| without(labels, "le"))
                .collect();
            for labels in &series {
                self.check_histogram(family, labels);
            }
            for suffix in ["_count", "_sum"] {
                let name = format!("{family}{suffix}");
                let all = self.of(&name);
                let all: BTreeSet<Labels> = all.map(|(labels, _)| labels.clone()).collect();
                assert_eq!(all, series, "{family}{suffix}");
            }
        }
    }

    fn check_histogram(&self, family: &str, labels: &Labels) {
        let bound = |of: &Labels| match of["le"].as_str() {
            "+Inf" => f64::INFINITY,
            bound => bound.parse().unwrap(),
        };
        let mut buckets: Vec<(f64, f64)> = self
            .of(&format!("{family}_bucket"))
            .filter(|(of, _)| without(of, "le") == *labels)
            .map(|(of, count)| (bound(of), count))
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(
            buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1),
            "{family} {labels:?} is not cumulated: {buckets:?}"
        );
        let (last, all) = buckets[buckets.len() - 1];
        assert!(last.is_infinite(), "{family} {labels:?} has no +Inf");
        let key = |suffix: &str| (format!("{family}{suffix}"), labels.clone());
        assert_eq!(self.samples[&key("_count")], all, "{family} {labels:?}");
        let sum = self.samples[&key("_sum")];
        assert!(
            sum >= 0.0 && (all > 0.0 || sum == 0.0),
            "{family} {labels:?}"
        );
    }

    /// All series of this name.
    pub(crate) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Labels, f64)> {
        let samples = self.samples.iter();
        let samples = samples.filter(move |((of, _), _)| of == name);
        samples.map(|((_, labels), value)| (labels, *value))
    }

    /// The sum of all series of this name that have these labels among theirs; zero without any.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |of: &Labels| {
            let mut labels = labels.iter();
            labels.all(|(name, value)| of.get(*name).is_some_and(|found| found == value))
        };
        let found = self.of(name).filter(|(of, _)| has(of));
        found.map(|(_, value)| value).sum()
    }

    /// The names of all series with their labels.
    pub(crate) fn series(&self) -> BTreeSet<(String, Labels)> {
        self.samples.keys().cloned().collect()
    }

    /// Counters and what histograms count: what never goes down.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (&(String, Labels), f64)> {
        let is_counter = |name: &str| {
            let kind = self.families.get(name).map(String::as_str);
            kind != Some("gauge")
        };
        let samples = self.samples.iter();
        let counters = samples.filter(move |((name, _), _)| is_counter(name));
        counters.map(|(key, value)| (key, *value))
    }
}

fn without(labels: &Labels, name: &str) -> Labels {
    let mut labels = labels.clone();
    labels.remove(name);
    labels
}

/// Labels, and what stands behind their bracket.
fn labels<'a>(mut rest: &'a str, line: &str) -> (Labels, &'a str) {
    let mut labels = Labels::new();
    loop {
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        assert!(is_name(name) && !name.contains(':'), "{line}");
        let (value, after) = quoted(after, line);
        let before = labels.insert(name.to_owned(), value);
        assert_eq!(before, None, "a label comes twice: {line}");
        match after.split_at(1) {
            (",", after) => rest = after,
            ("}", after) => return (labels, after),
            _ => panic!("{line}"),
        }
    }
}

/// A label's value, and what stands behind its quotation mark.
fn quoted<'a>(text: &'a str, line: &str) -> (String, &'a str) {
    let (mut value, mut escaped) = (String::new(), false);
    for (at, letter) in text.char_indices() {
        match (escaped, letter) {
            (true, '\\' | '"') => value.push(letter),
            (true, 'n') => value.push('\n'),
            (true, _) => panic!("an unknown escape: {line}"),
            (false, '"') => return (value, &text[at + 1..]),
            (false, '\\') => {}
            (false, letter) => value.push(letter),
        }
        escaped = !escaped && letter == '\\';
    }
    panic!("a value without end: {line}")
}

fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

#[test]
fn the_reader_refuses_what_a_scraper_might() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"a\\\"\\n}\"} 1\n";
    let metrics = Metrics::parse(good);
    assert_eq!(metrics.sum("a_total", &[("x", "a\"\n}")]), 1.0);
    let histogram = |buckets: &str| format!("# HELP h A.\n# TYPE h histogram\n{buckets}");
    let refused = [
        "a 1\n".to_owned(),
        good.trim_end().to_owned(),
        format!("{good}{good}"),
        good.replace("counter", "gauge"),
        good.replace("a_total{", "b_total{"),
        good.replace(" 1", " one"),
        good.replace("\\n", "\\t"),
        good.replace("# HELP a_total A.\n", ""),
        format!("{good}a_total{{x=\"a\\\"\\n}}\"}} 2\n"),
        histogram("h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n"),
        histogram("h_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"),
        histogram("h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n"),
        histogram("h_bucket{le=\"+Inf\"} 1\nh_sum 1\n"),
    ];
    for text in refused {
        let parsed = std::panic::catch_unwind(|| Metrics::parse(&text));
        assert!(parsed.is_err(), "{text}");
    }
}
