//! Where edges and cores are joined: a job that is translated comes in with its exchange, and leaves answered. Reads top
//! to bottom like a recipe: `serve` asks for a slot and repeats what may be repeated, `attempt` makes one upstream call
//! and brings its answer to the client, `verdict` says what to do about an error. Never knows the configuration's file.

pub(crate) mod attempt;
pub(crate) mod probe;
pub(crate) mod repairs;
pub(crate) mod serve;
pub(crate) mod slots;
pub(crate) mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::accounts::SeatSettings;
use crate::dispatch::repairs::Repairs;
use crate::dispatch::slots::Slots;
use crate::names::AccountId;
use crate::oci::Upstream;
use crate::oci::wire::{ChatRequest, ServingMode};
use crate::translate::ReplyMeta;

/// The status that stands in the log for a client that left; never sent.
pub(crate) const CLIENT_LEFT: u16 = 499;

/// Limits of time and number. Filled by the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DispatchSettings {
    /// One attempt's wait for OCI: to its answer, or of a stream to its first event. No attempt starts later than this
    /// after the first one started.
    pub(crate) request_timeout: Duration,
    /// Longest gap between two events of a stream.
    pub(crate) stream_idle_timeout: Duration,
    /// Longest wait for a worker and a slot, from arrival.
    pub(crate) queue_timeout: Duration,
    /// Further attempts after the first, 0-20.
    pub(crate) retry_attempts: u32,
}

/// One account as the program uses it.
pub(crate) struct Seat {
    pub(crate) id: AccountId,
    upstream: Upstream,
    slots: Slots,
    /// OCI refused the account's credentials or policy, and no call has succeeded since.
    refused: AtomicBool,
}

/// The account and how it is used.
pub(crate) struct Dispatch {
    seat: Seat,
    settings: DispatchSettings,
    repairs: Arc<Repairs>,
}

/// A chat request, translated.
pub(crate) struct Job {
    pub(crate) serving: ServingMode,
    pub(crate) request: ChatRequest,
    pub(crate) meta: ReplyMeta,
    /// The client asked for a stream; what OCI was asked for is in `request`.
    pub(crate) wants_stream: bool,
    /// The client asked for a usage chunk at the end of its stream.
    pub(crate) include_usage: bool,
    /// How many choices were asked for.
    pub(crate) choices: u32,
    /// OpenAI's names of what was left out because the format has no word for it or the model refuses it.
    pub(crate) lost: Vec<String>,
}

impl Job {
    /// Notes what is left out, once.
    fn loses(&mut self, name: String) {
        if !self.lost.contains(&name) {
            self.lost.push(name);
        }
    }
}

impl Dispatch {
    /// `repairs` outlives a reload: what a model refuses does not depend on the configuration.
    pub(crate) fn new(
        settings: DispatchSettings,
        seat: &SeatSettings,
        upstream: Upstream,
        repairs: Arc<Repairs>,
    ) -> Self {
        let seat = Seat {
            id: seat.id.clone(),
            upstream,
            slots: Slots::new(seat.max_concurrency),
            refused: AtomicBool::new(false),
        };
        Self {
            seat,
            settings,
            repairs,
        }
    }

    pub(crate) fn seats(&self) -> &[Seat] {
        std::slice::from_ref(&self.seat)
    }
}

impl Seat {
    /// Whether OCI accepts the account, as far as is known.
    pub(crate) fn is_healthy(&self) -> bool {
        !self.refused.load(Ordering::Relaxed)
    }
}
