//! What models have refused, remembered for the life of the process: OCI says it once, and no later request has to be
//! refused for it. What may be left out, and how, is `translate::param_repair`'s business.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::dispatch::Job;
use crate::oci::error::{OciError, StatusError};
use crate::translate::param_repair::{self, DroppedParam};

/// Models that are remembered. More than any configuration names; beyond it nothing new is.
const MAX_MODELS: usize = 1024;
/// Repairs that are remembered for one model.
const MAX_PER_MODEL: usize = 64;

/// Parameters of one request that may be left out because the model refuses them, each a call of its own.
const MAX_REPAIRS: u32 = 3;

/// By the model's id at OCI.
#[derive(Debug, Default)]
pub(crate) struct Repairs {
    known: Mutex<HashMap<String, Vec<DroppedParam>>>,
}

impl Repairs {
    /// Leaves out beforehand what the model has refused before. `model`: its id at OCI.
    pub(crate) fn begin(&self, model: String, job: &mut Job) -> Mending<'_> {
        let known = self.known.lock().get(&model).cloned().unwrap_or_default();
        for lost in job.request.apply_known(&known) {
            job.loses(lost);
        }
        Mending {
            repairs: self,
            model,
            lesson: None,
            made: 0,
        }
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
            of_model.retain(|older| !dropped.replaces(older));
            of_model.push(dropped);
        }
        is_new
    }
}

/// The repairs of one request.
pub(crate) struct Mending<'a> {
    repairs: &'a Repairs,
    model: String,
    /// The latest repair, which has yet to prove itself.
    lesson: Option<Lesson>,
    made: u32,
}

struct Lesson {
    dropped: DroppedParam,
    refusal: Box<StatusError>,
}

impl Mending<'_> {
    /// OCI has answered: what was left out was what it refused.
    pub(crate) fn accepted(&mut self) {
        let Some(Lesson { dropped, refusal }) = self.lesson.take() else {
            return;
        };
        let what = dropped.to_string();
        if self.repairs.remember(&self.model, dropped) {
            log::info!(
                "{} refuses {what} from now on ({})",
                self.model,
                OciError::Status(refusal)
            );
        }
    }

    /// Leaves out what OCI has just refused, so that the call can be made again: the request was at fault, and that is mended.
    /// Errors: the same, if it is about something else, or there have been enough.
    pub(crate) fn refused(&mut self, error: OciError, job: &mut Job) -> Result<(), OciError> {
        let OciError::Status(refusal) = error else {
            return Err(error);
        };
        let dropped = if self.made < MAX_REPAIRS {
            job.request.repair(&refusal)
        } else {
            None
        };
        if let Some(lesson) = &self.lesson
            && matches!(refusal.status, 400 | 422)
        {
            // Refused of the same again, and nothing is left to mend: the repair helped nothing.
            if dropped.is_none() && param_repair::is_about_the_same(&lesson.refusal, &refusal) {
                self.lesson = None;
            } else {
                self.accepted();
            }
        }
        let Some(dropped) = dropped else {
            return Err(OciError::Status(refusal));
        };
        self.made += 1;
        if let Some(lost) = dropped.lost() {
            job.loses(lost);
        }
        self.lesson = Some(Lesson { dropped, refusal });
        Ok(())
    }
}
