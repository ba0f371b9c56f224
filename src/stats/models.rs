//! What each configured model has done, by operation, and the same for all requests whose model is none of them: the number of rows
//! never grows with what clients ask for. Recording takes a read lock and additions; only an operation's first request makes its row.
//! Pure.

use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::RwLock;

use crate::names::ModelName;
use crate::stats::errors::ErrorType;
use crate::stats::histogram::{Histogram, Snapshot};

/// Models that have a row of their own; further ones of the configuration share [`OTHER`].
pub(crate) const MAX_MODELS: usize = 200;
/// The name of the row for all others; a model that is configured by this name shares it.
pub(crate) const OTHER: &str = "other";

// The bounds that OpenTelemetry's conventions for generative AI give, in microseconds and tokens.
const DURATION_BOUNDS: [u64; 14] = [
    10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 640_000, 1_280_000, 2_560_000, 5_120_000,
    10_240_000, 20_480_000, 40_960_000, 81_920_000,
];
const FIRST_TOKEN_BOUNDS: [u64; 16] = [
    1_000, 5_000, 10_000, 20_000, 40_000, 60_000, 80_000, 100_000, 250_000, 500_000, 750_000,
    1_000_000, 2_500_000, 5_000_000, 7_500_000, 10_000_000,
];
const PER_TOKEN_BOUNDS: [u64; 13] = [
    10_000, 25_000, 50_000, 75_000, 100_000, 150_000, 200_000, 300_000, 400_000, 500_000, 750_000,
    1_000_000, 2_500_000,
];
const TOKEN_BOUNDS: [u64; 14] = [
    1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216,
    67_108_864,
];

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Chat,
    Embeddings,
    Rerank,
}

impl Operation {
    const COUNT: usize = 3;
    const ALL: [Self; Self::COUNT] = [Self::Chat, Self::Embeddings, Self::Rerank];

    /// As OpenTelemetry's conventions have it; they have no word for the last one.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
            Self::Rerank => "rerank",
        }
    }
}

/// How a request of a model ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) operation: Operation,
    /// From its arrival to the end of its answer.
    pub(crate) duration: Duration,
    /// From its arrival to the first byte of a stream; `None` for whole answers.
    pub(crate) first_token: Option<Duration>,
    /// Prompt and completion tokens, if OCI said.
    pub(crate) tokens: Option<(u64, u64)>,
    /// `None`: it ended well.
    pub(crate) error: Option<ErrorType>,
}

#[derive(Debug)]
struct Row {
    succeeded: Histogram<{ DURATION_BOUNDS.len() }>,
    failed: [Histogram<{ DURATION_BOUNDS.len() }>; ErrorType::COUNT],
    first_token: Histogram<{ FIRST_TOKEN_BOUNDS.len() }>,
    per_token: Histogram<{ PER_TOKEN_BOUNDS.len() }>,
    input_tokens: Histogram<{ TOKEN_BOUNDS.len() }>,
    output_tokens: Histogram<{ TOKEN_BOUNDS.len() }>,
}

/// Of one model: a row for each operation that it was asked for.
#[derive(Debug, Default)]
struct Rows([OnceLock<Box<Row>>; Operation::COUNT]);

/// A row at about one moment. Durations are microseconds.
#[derive(Debug, Clone)]
pub(crate) struct ModelView {
    /// `None`: all others.
    pub(crate) name: Option<ModelName>,
    /// `None`: all of them.
    pub(crate) operation: Option<Operation>,
    pub(crate) succeeded: Snapshot,
    /// Only the kinds that there were.
    pub(crate) failed: Vec<(ErrorType, Snapshot)>,
    pub(crate) first_token: Snapshot,
    pub(crate) per_token: Snapshot,
    pub(crate) input_tokens: Snapshot,
    pub(crate) output_tokens: Snapshot,
}

#[derive(Debug)]
pub(crate) struct Models(RwLock<Table>);

#[derive(Debug)]
struct Table {
    /// In the configuration's order.
    named: Vec<(ModelName, Rows)>,
    other: Rows,
}

impl Models {
    pub(crate) fn new() -> Self {
        Self(RwLock::new(Table {
            named: Vec::new(),
            other: Rows::default(),
        }))
    }

    /// The models from now on. One that stays keeps its figures; those of one that goes are added to the others', so that no sum
    /// over all models goes backwards.
    pub(crate) fn set<'a>(&self, names: impl Iterator<Item = &'a ModelName>) {
        let mut table = self.0.write();
        let mut before = std::mem::take(&mut table.named);
        let names = names.filter(|name| name.as_str() != OTHER);
        for name in names.take(MAX_MODELS) {
            let stays = before.iter().position(|(known, _)| known == name);
            let rows = stays.map_or_else(Rows::default, |at| before.swap_remove(at).1);
            table.named.push((name.clone(), rows));
        }
        for (_, rows) in before {
            table.other.absorb(&rows);
        }
    }

    pub(crate) fn ended(&self, model: Option<&ModelName>, ended: &Ended) {
        let table = self.0.read();
        // Tens of rows: a search is as fast as a hash.
        let named = table.named.iter();
        let mut named = named.filter(|(name, _)| Some(name) == model);
        let rows = named.next().map_or(&table.other, |(_, rows)| rows);
        if let Some(row) = rows.of(ended.operation) {
            row.ended(ended);
        }
    }

    /// Each model's operations, in the configuration's order, the others last. A model that was not asked for anything has one row.
    pub(crate) fn by_operation(&self) -> Vec<ModelView> {
        self.views(Rows::by_operation)
    }

    /// One row a model, in the configuration's order, the others last.
    pub(crate) fn view(&self) -> Vec<ModelView> {
        self.views(|rows, name| vec![rows.sum().view(name, None)])
    }

    fn views(&self, view: impl Fn(&Rows, Option<&ModelName>) -> Vec<ModelView>) -> Vec<ModelView> {
        let table = self.0.read();
        let named = table.named.iter();
        let named = named.flat_map(|(name, rows)| view(rows, Some(name)));
        named.chain(view(&table.other, None)).collect()
    }
}

impl Rows {
    /// Makes the row if there is none.
    fn of(&self, operation: Operation) -> Option<&Row> {
        let row = self.0.get(operation as usize)?;
        Some(row.get_or_init(|| Box::new(Row::new())))
    }

    fn made(&self) -> impl Iterator<Item = (Operation, &Row)> {
        let rows = Operation::ALL.into_iter().zip(&self.0);
        rows.filter_map(|(operation, row)| Some((operation, row.get()?.as_ref())))
    }

    fn absorb(&self, other: &Self) {
        for (operation, more) in other.made() {
            if let Some(row) = self.of(operation) {
                row.absorb(more);
            }
        }
    }

    fn sum(&self) -> Row {
        let sum = Row::new();
        self.made().for_each(|(_, row)| sum.absorb(row));
        sum
    }

    fn by_operation(&self, name: Option<&ModelName>) -> Vec<ModelView> {
        let rows = self.made();
        let views: Vec<_> = rows
            .map(|(operation, row)| row.view(name, Some(operation)))
            .collect();
        if views.is_empty() {
            return vec![Row::new().view(name, Some(Operation::Chat))];
        }
        views
    }
}

impl Row {
    fn new() -> Self {
        Self {
            succeeded: Histogram::new(&DURATION_BOUNDS),
            failed: std::array::from_fn(|_| Histogram::new(&DURATION_BOUNDS)),
            first_token: Histogram::new(&FIRST_TOKEN_BOUNDS),
            per_token: Histogram::new(&PER_TOKEN_BOUNDS),
            input_tokens: Histogram::new(&TOKEN_BOUNDS),
            output_tokens: Histogram::new(&TOKEN_BOUNDS),
        }
    }

    fn ended(&self, ended: &Ended) {
        let durations = ended.error.and_then(|kind| self.failed.get(kind as usize));
        durations
            .unwrap_or(&self.succeeded)
            .observe_duration(ended.duration);
        if let Some((input, output)) = ended.tokens {
            self.input_tokens.observe(input);
            self.output_tokens.observe(output);
        }
        // The conventions ask for these of what succeeded.
        if let (None, Some(first)) = (ended.error, ended.first_token) {
            self.first_token.observe_duration(first);
            let further = ended
                .tokens
                .map_or(0, |(_, output)| output.saturating_sub(1));
            if let Ok(further) = u32::try_from(further)
                && further > 0
            {
                let rest = ended.duration.saturating_sub(first);
                self.per_token.observe_duration(rest / further);
            }
        }
    }

    fn absorb(&self, other: &Self) {
        self.succeeded.absorb(&other.succeeded);
        for (failed, more) in self.failed.iter().zip(&other.failed) {
            failed.absorb(more);
        }
        self.first_token.absorb(&other.first_token);
        self.per_token.absorb(&other.per_token);
        self.input_tokens.absorb(&other.input_tokens);
        self.output_tokens.absorb(&other.output_tokens);
    }

    fn view(&self, name: Option<&ModelName>, operation: Option<Operation>) -> ModelView {
        let failed = ErrorType::ALL.into_iter().zip(&self.failed);
        let failed = failed.map(|(kind, durations)| (kind, durations.snapshot()));
        ModelView {
            name: name.cloned(),
            operation,
            succeeded: self.succeeded.snapshot(),
            failed: failed
                .filter(|(_, durations)| durations.count() > 0)
                .collect(),
            first_token: self.first_token.snapshot(),
            per_token: self.per_token.snapshot(),
            input_tokens: self.input_tokens.snapshot(),
            output_tokens: self.output_tokens.snapshot(),
        }
    }
}

impl ModelView {
    pub(crate) fn name(&self) -> &str {
        self.name.as_ref().map_or(OTHER, ModelName::as_str)
    }

    /// Requests that have ended, however.
    pub(crate) fn requests(&self) -> u64 {
        self.succeeded.count() + self.failures(|_| true)
    }

    /// Requests that ended in an error of such a kind.
    pub(crate) fn failures(&self, such: impl Fn(ErrorType) -> bool) -> u64 {
        let failed = self.failed.iter().filter(|(kind, _)| such(*kind));
        failed.map(|(_, durations)| durations.count()).sum()
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test may fail")]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<ModelName> {
        names.iter().map(|name| ModelName::new(*name)).collect()
    }

    fn ended(error: Option<ErrorType>) -> Ended {
        Ended {
            operation: Operation::Chat,
            duration: Duration::from_millis(1_100),
            first_token: Some(Duration::from_millis(100)),
            tokens: Some((20, 11)),
            error,
        }
    }

    fn requests(models: &Models) -> Vec<(String, u64)> {
        let rows = models.view();
        rows.iter()
            .map(|row| (row.name().to_owned(), row.requests()))
            .collect()
    }

    #[track_caller]
    fn check(models: &Models, expected: &[(&str, u64)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect();
        assert_eq!(requests(models), expected);
    }

    #[test]
    fn a_success_is_counted_in_all_histograms() {
        let models = Models::new();
        models.set(names(&["grok"]).iter());
        models.ended(Some(&ModelName::new("grok")), &ended(None));
        let row = &models.view()[0];
        assert_eq!(row.succeeded.sum, 1_100_000);
        // Up to 1.28 s; up to 0.1 s; a second for ten further tokens.
        assert_eq!(row.succeeded.counts[7], 1);
        assert_eq!(
            (row.first_token.counts[7], row.first_token.sum),
            (1, 100_000)
        );
        assert_eq!((row.per_token.counts[4], row.per_token.sum), (1, 100_000));
        assert_eq!((row.input_tokens.counts[3], row.input_tokens.sum), (1, 20));
        assert_eq!(
            (row.output_tokens.counts[2], row.output_tokens.sum),
            (1, 11)
        );
        assert!(row.failed.is_empty());
    }

    #[test]
    fn a_failure_has_its_kind_and_no_first_token() {
        let models = Models::new();
        models.ended(None, &ended(Some(ErrorType::Timeout)));
        models.ended(None, &ended(Some(ErrorType::ClientLeft)));
        let row = &models.view()[0];
        assert_eq!((row.requests(), row.succeeded.count()), (2, 0));
        assert_eq!(row.failures(|kind| kind == ErrorType::Timeout), 1);
        assert_eq!((row.first_token.count(), row.per_token.count()), (0, 0));
        assert_eq!(row.input_tokens.sum, 40);
    }

    #[test]
    fn a_single_token_has_no_time_for_each_further_one() {
        let models = Models::new();
        for tokens in [None, Some((3, 0)), Some((3, 1))] {
            let one = Ended {
                tokens,
                ..ended(None)
            };
            models.ended(None, &one);
        }
        let row = &models.view()[0];
        assert_eq!((row.first_token.count(), row.per_token.count()), (3, 0));
    }

    #[test]
    fn operations_have_rows_of_their_own_and_one_sum() {
        let models = Models::new();
        models.set(names(&["a", "b"]).iter());
        let name = ModelName::new("a");
        for operation in [Operation::Embeddings, Operation::Rerank, Operation::Rerank] {
            let one = Ended {
                operation,
                ..ended(None)
            };
            models.ended(Some(&name), &one);
        }
        let told: Vec<_> = models
            .by_operation()
            .iter()
            .map(|row| {
                (
                    row.name().to_owned(),
                    row.operation.map(Operation::as_str),
                    row.requests(),
                )
            })
            .collect();
        let row = |name: &str, operation, requests| (name.to_owned(), Some(operation), requests);
        assert_eq!(
            told,
            [
                row("a", "embeddings", 1),
                row("a", "rerank", 2),
                row("b", "chat", 0),
                row("other", "chat", 0)
            ]
        );
        check(&models, &[("a", 3), ("b", 0), ("other", 0)]);
        models.set(names(&["b"]).iter());
        check(&models, &[("b", 0), ("other", 3)]);
        assert_eq!(models.by_operation()[2].operation, Some(Operation::Rerank));
    }

    #[test]
    fn names_that_nobody_has_configured_make_no_rows() {
        let models = Models::new();
        models.set(names(&["grok", "llama"]).iter());
        models.ended(Some(&ModelName::new("llama")), &ended(None));
        for number in 0..1000 {
            let name = ModelName::new(format!("invented-{number}"));
            models.ended(Some(&name), &ended(None));
        }
        models.ended(None, &ended(None));
        check(&models, &[("grok", 0), ("llama", 1), ("other", 1001)]);
        models.set(names(&["grok", "other"]).iter());
        models.ended(Some(&ModelName::new("other")), &ended(None));
        check(&models, &[("grok", 0), ("other", 1003)]);
    }

    #[test]
    fn a_reload_loses_no_request() {
        let models = Models::new();
        let all = names(&["a", "b", "c"]);
        models.set(all.iter());
        for name in &all {
            models.ended(Some(name), &ended(None));
        }
        models.set(names(&["c", "d", "a"]).iter());
        check(&models, &[("c", 1), ("d", 0), ("a", 1), ("other", 1)]);
        models.ended(Some(&ModelName::new("b")), &ended(None));
        check(&models, &[("c", 1), ("d", 0), ("a", 1), ("other", 2)]);
    }

    #[test]
    fn even_a_configuration_has_no_more_rows_than_that() {
        let models = Models::new();
        let many: Vec<_> = (0..1000).map(|n| ModelName::new(n.to_string())).collect();
        models.set(many.iter());
        models.ended(many.last(), &ended(None));
        let rows = models.view();
        assert_eq!(rows.len(), MAX_MODELS + 1);
        assert_eq!(rows[MAX_MODELS].requests(), 1);
    }
}
