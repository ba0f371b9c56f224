//! What models have refused, remembered for the life of the process: OCI says it once, and no later request has to be
//! refused for it. What may be left out, and how, is `translate::param_repair`'s business.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::oci::error::OciError;
use crate::oci::wire::ChatRequest;
use crate::translate::param_repair::{self, DroppedParam};

/// Models that are remembered. More than any configuration names; beyond it nothing new is.
const MAX_MODELS: usize = 1024;
/// Repairs that are remembered for one model.
const MAX_PER_MODEL: usize = 64;

/// By the model's id at OCI.
#[derive(Debug, Default)]
pub(crate) struct Repairs {
    known: Mutex<HashMap<String, Vec<DroppedParam>>>,
}

impl Repairs {
    /// Leaves out beforehand what the model has refused before. OpenAI's names of what the request has lost by it.
    pub(crate) fn apply_known(&self, model: &str, request: &mut ChatRequest) -> Vec<String> {
        let known = self.known.lock().get(model).cloned().unwrap_or_default();
        param_repair::apply_known(&known, request)
    }

    /// Leaves out what OCI has just refused, and remembers it. `None` if the error is about something else; otherwise
    /// OpenAI's name of what was lost, if anything was.
    pub(crate) fn learn(
        &self,
        model: &str,
        error: &OciError,
        request: &mut ChatRequest,
    ) -> Option<Option<String>> {
        let OciError::Status(status) = error else {
            return None;
        };
        let dropped = param_repair::repair(status, request)?;
        let lost = dropped.lost();
        if self.remember(model, dropped) {
            let what = lost
                .as_deref()
                .unwrap_or("a parameter, which goes out under its other name");
            log::info!("{model} refuses {what}: left out of its requests from now on ({error})");
        }
        Some(lost)
    }

    /// `true` if it was new.
    fn remember(&self, model: &str, dropped: DroppedParam) -> bool {
        let mut known = self.known.lock();
        if known.len() >= MAX_MODELS && !known.contains_key(model) {
            return false;
        }
        let of_model = known.entry(model.to_owned()).or_default();
        let is_new = of_model.len() < MAX_PER_MODEL && !of_model.contains(&dropped);
        if is_new {
            of_model.push(dropped);
        }
        is_new
    }
}
