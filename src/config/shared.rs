//! What both kinds of file have in common: the clients' side, the limits, the breaker, the models. Follows the specification's §2.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::entries::{Entries, Show, read};
use super::error::Report;
use super::file::{Entry, File, Section, shown};
use super::known::{self, Kind};
use super::value;
use crate::accounts::{BreakerSettings, FleetSettings, Strategy};

use crate::dispatch::DispatchSettings;
use crate::http::pace::PaceLimits;
use crate::http::{self, ListenSettings};
use crate::names::{ModelName, Secret};
use crate::oci::ClientSettings;
use crate::translate::Rules;
use crate::translate::models::{ModelMap, ModelTarget};
use crate::workers::PoolSettings;

const MIB: usize = 1 << 20;
const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Workers, which is requests served at once.
const GLOBAL_MAX_CONCURRENCY: u32 = 200;
/// Requests that wait for a worker.
const QUEUE_SIZE: u32 = 2000;
const QUEUE_TIMEOUT: Duration = secs(30);
/// Attempts after the first.
const RETRY_ATTEMPTS: u32 = 3;
const HEALTH_CHECK_INTERVAL: Duration = secs(30);
const REQUEST_TIMEOUT: Duration = secs(60);
/// `stream_idle_timeout` in terms of `request_timeout`.
const STREAM_IDLE_FACTOR: u32 = 2;
const CONNECT_TIMEOUT: Duration = secs(10);
const MAX_REQUEST_BYTES: usize = 32 * MIB;
/// Connections beyond those whose requests are served or wait: idle ones, and those that only ask for `/health`.
const SPARE_CONNECTIONS: u32 = 256;
const MAX_BODY_MEMORY: usize = 64 * MIB;
const DRAIN_DELAY: Duration = Duration::ZERO;
/// Tokens of an answer, if the client sets no limit.
const DEFAULT_MAX_TOKENS: u32 = 4000;
const MAX_FAILURES: u32 = 5;
const RESET_TIMEOUT: Duration = secs(60);
const FAILURE_RATE: f64 = 0.6;
const MIN_REQUESTS: u32 = 10;

/// Waits within a request.
const WAIT: RangeInclusive<Duration> = Duration::from_millis(10)..=secs(3600);
const CONNECT_WAIT: RangeInclusive<Duration> = Duration::from_millis(10)..=secs(300);
const INTERVAL: RangeInclusive<Duration> = Duration::from_millis(100)..=secs(24 * 3600);
/// Bytes.
const REQUEST_SIZE: RangeInclusive<usize> = 1024..=1024 * MIB;
const MEMORY_SIZE: RangeInclusive<usize> = 1024..=usize::MAX >> 16;

/// Left of `= auto` in `[MODELS]`: all others that OCI lists.
const AUTO_NAME: &str = "*";

/// The key that stands in the sample of a multi-account file. It is in use, so it must keep working.
const SAMPLE_KEY: &str = "multi_account_proxy_key";

/// The sections that are not an account's.
pub(super) struct Common<'a> {
    /// Keys that may stand in `[DEFAULT]`, before the first section, or in `[GLOBAL]`.
    pub(super) general: Entries<'a>,
    pub(super) global: Entries<'a>,
    breaker: Entries<'a>,
    models: Option<&'a Section>,
}

/// `[GLOBAL]`, and what hangs together with it.
pub(super) struct Global {
    pub(super) listen: ListenSettings,
    pub(super) workers: PoolSettings,
    pub(super) dispatch: DispatchSettings,
    pub(super) client: ClientSettings,
    /// Workers, as a limit for the slots of a fleet of one.
    pub(super) max_concurrency: NonZeroU32,
}

/// Where the clients' keys come from.
pub(super) enum Keys {
    Given(Vec<Secret>),
    /// None yet, or a placeholder: one is to be made.
    Make,
}

impl<'a> Common<'a> {
    pub(super) fn of(file: &'a File) -> Self {
        let of = |kinds: &[Kind]| -> Vec<&'a Section> {
            file.sections
                .iter()
                .filter(|section| kinds.contains(&Kind::of(section)))
                .collect()
        };
        Self {
            general: Entries::of(of(&[Kind::Default, Kind::Global])),
            global: Entries::of(of(&[Kind::Global])),
            breaker: Entries::of(of(&[Kind::Breaker])),
            models: of(&[Kind::Models]).first().copied(),
        }
    }

    pub(super) fn global(&self, report: &mut Report) -> Global {
        let global = &self.global;
        let workers = global
            .integer("global_max_concurrency", 1..=2000, report)
            .unwrap_or(GLOBAL_MAX_CONCURRENCY);
        let queue_size = global
            .integer("queue_size", 1..=100_000, report)
            .unwrap_or(QUEUE_SIZE);
        let queue_timeout = global
            .duration("queue_timeout", WAIT, report)
            .unwrap_or(QUEUE_TIMEOUT);
        let request_timeout = global
            .duration("request_timeout", WAIT, report)
            .unwrap_or(REQUEST_TIMEOUT);
        let idle_range = *WAIT.start()..=*WAIT.end() * STREAM_IDLE_FACTOR;
        let stream_idle_timeout = global.duration("stream_idle_timeout", idle_range, report);
        let retry_attempts = global
            .integer("retry_attempts", 0..=20, report)
            .unwrap_or(RETRY_ATTEMPTS);
        let connect_timeout = global
            .duration("connect_timeout", CONNECT_WAIT, report)
            .unwrap_or(CONNECT_TIMEOUT);
        let max_connections = global.integer("max_connections", 1..=1_000_000, report);
        let max_connections = max_connections.unwrap_or(workers + queue_size + SPARE_CONNECTIONS);
        let (max_request_bytes, max_body_memory) = self.memory(report);
        let drain_delay = global
            .duration("drain_delay", Duration::ZERO..=*WAIT.end(), report)
            .unwrap_or(DRAIN_DELAY);
        let max_concurrency = NonZeroU32::new(workers).unwrap_or(NonZeroU32::MIN);
        let (workers, queue_size) = (count(workers), count(queue_size));
        Global {
            listen: ListenSettings {
                host: http::DEFAULT_HOST.to_owned(),
                port: http::DEFAULT_PORT,
                max_connections: count(max_connections),
                max_request_bytes,
                max_body_memory,
                queue_timeout,
                drain_delay,
                pace: PaceLimits::default(),
            },
            workers: PoolSettings {
                workers,
                queue_size,
            },
            dispatch: DispatchSettings {
                request_timeout,
                stream_idle_timeout: stream_idle_timeout
                    .unwrap_or(request_timeout * STREAM_IDLE_FACTOR),
                queue_timeout,
                retry_attempts,
            },
            // A worker has one call open at a time.
            client: ClientSettings {
                connect_timeout,
                pool_size: workers,
            },
            max_concurrency,
        }
    }

    /// `max_request_bytes` and `max_body_memory`.
    fn memory(&self, report: &mut Report) -> (usize, usize) {
        let request = self
            .global
            .size("max_request_bytes", REQUEST_SIZE, report)
            .unwrap_or(MAX_REQUEST_BYTES);
        let memory = self.global.size("max_body_memory", MEMORY_SIZE, report);
        match (memory, self.global.find("max_body_memory", report)) {
            (Some(memory), Some(entry)) if memory < request => report.warn(
                entry.line,
                "max_body_memory",
                "less than max_request_bytes: a request between the two will never be taken",
            ),
            _ => {}
        }
        // A larger request than the default memory holds must fit, if the user allows it at all.
        (request, memory.unwrap_or(MAX_BODY_MEMORY.max(request)))
    }

    pub(super) fn rules(&self, report: &mut Report) -> Rules {
        let tokens = self
            .general
            .integer("default_max_tokens", 1..=1_000_000, report);
        Rules {
            default_max_tokens: tokens.unwrap_or(DEFAULT_MAX_TOKENS),
            force_non_stream: self
                .general
                .boolean("force_non_stream", report)
                .unwrap_or(false),
        }
    }

    pub(super) fn fleet(&self, report: &mut Report) -> FleetSettings {
        let strategy = self
            .global
            .present("load_balance_strategy", report, |text| {
                Strategy::from_name(text).ok_or_else(|| {
                    format!(
                        "expected {}",
                        Strategy::ALL.map(Strategy::as_str).join(", ")
                    )
                })
            });
        let interval =
            self.global.present(
                "health_check_interval",
                report,
                |text| match value::duration(text, &(Duration::ZERO..=*INTERVAL.end())) {
                    Ok(Duration::ZERO) => Ok(None),
                    _ => value::duration(text, &INTERVAL)
                        .map(Some)
                        .map_err(|expected| format!("{expected}, or 0 for none")),
                },
            );
        let breaker = &self.breaker;
        FleetSettings {
            strategy: strategy.unwrap_or(Strategy::RoundRobin),
            health_check_interval: interval.unwrap_or(Some(HEALTH_CHECK_INTERVAL)),
            breaker: BreakerSettings {
                max_failures: breaker
                    .integer("max_failures", 1..=1_000_000, report)
                    .unwrap_or(MAX_FAILURES),
                reset_timeout: breaker
                    .duration("reset_timeout", INTERVAL, report)
                    .unwrap_or(RESET_TIMEOUT),
                failure_rate: breaker
                    .fraction("failure_rate", 0.01..=1.0, report)
                    .unwrap_or(FAILURE_RATE),
                min_requests: breaker
                    .integer("min_requests", 1..=1_000_000, report)
                    .unwrap_or(MIN_REQUESTS),
            },
        }
    }

    pub(super) fn models(&self, report: &mut Report) -> ModelMap {
        const WANTED: &str = "expected lines such as grok-4 = xai.grok-4, or * = auto";
        let default = self.general.find_filled("default_model", report);
        let (api, path) = (
            self.general
                .present("upstream_api", report, value::upstream_api),
            self.general
                .present("openai_path", report, value::openai_path),
        );
        let (api, path) = (api.unwrap_or_default(), path.unwrap_or_default());
        let Some(section) = self.models else {
            let problem = format!(
                "missing: {WANTED}; add a [MODELS] section to this file, or use -config with a file of your own that has one"
            );
            report.error(1, "[MODELS]", problem);
            return ModelMap::new(Vec::new(), None);
        };
        if section.entries.is_empty() {
            report.error(
                section.line,
                &section.title(),
                format!("no models, {WANTED}"),
            );
        }
        let mut models = Vec::new();
        let told = |entry: &&Entry| known::secret(&entry.name).is_none();
        let is_auto = |entry: &&Entry| entry.name == AUTO_NAME;
        for entry in section.entries.iter().filter(told) {
            if is_auto(&entry) {
                read(entry, AUTO_NAME, Show::Value, report, value::auto);
                continue;
            }
            let name = shown(&entry.name);
            if let Some(model) = read(entry, &name, Show::Value, report, value::model) {
                let api = model.api.unwrap_or(api);
                let target = ModelTarget::new(model.id, model.format).with_api(api, path);
                if target.lacks_its_api() {
                    let notice =
                        "OCI's OpenAI-compatible API is known to lack it: write id | native";
                    report.warn(entry.line, &name, notice);
                }
                models.push((ModelName::new(entry.name.as_str()), target));
            }
        }
        if let Some(entry) = default {
            // With `*` it may be one that OCI lists.
            let is_listed = |text: &str| {
                let mut entries = section.entries.iter();
                text != AUTO_NAME && entries.any(|model| is_auto(&model) || model.name == text)
            };
            let check = |text: &str| {
                is_listed(text)
                    .then_some(())
                    .ok_or_else(|| "expected a name out of [MODELS]".to_owned())
            };
            read(entry, "default_model", Show::Value, report, check);
        }
        let default = default.map(|entry| ModelName::new(entry.value.as_str()));
        let map = ModelMap::new(models, default);
        if section.entries.iter().any(|entry| is_auto(&entry)) {
            return map.with_listed(api, path);
        }
        map
    }

    pub(super) fn keys(&self, report: &mut Report) -> Keys {
        let Some(entry) = self.general.find_filled("api_key", report) else {
            return Keys::Make;
        };
        if entry.value.as_str() == value::API_KEY_PLACEHOLDER {
            return Keys::Make;
        }
        let keys =
            read(entry, "api_key", Show::Nothing, report, value::api_keys).unwrap_or_default();
        if keys.iter().any(|key| key.expose() == SAMPLE_KEY) {
            let notice = "the key of the sample file, which everybody knows: choose your own, or write auto_generated_key";
            report.warn(entry.line, "api_key", notice);
        }
        Keys::Given(keys)
    }
}

/// Counts are at most a million, which fits everywhere.
fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
