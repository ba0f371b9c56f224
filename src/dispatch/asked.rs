//! Requests that are no chats: each of their calls with a slot and attempts of its own, and a whole answer at the end.

use std::time::Instant;

use crate::accounts::paths::Paths;
use crate::accounts::seat::Ending;
use crate::dispatch::attempt::{Done, Failed, Finished, give_up};
use crate::dispatch::serve::{Outcome, Work};
use crate::dispatch::slots::Lease;
use crate::dispatch::{Dispatch, problem};
use crate::http::body::Share;
use crate::http::exchange::Exchange;
use crate::http::reply::Reply;
use crate::names::ModelName;
use crate::oci::error::OciError;
use crate::oci::wire::ServingMode;
use crate::oci::{CallLimits, Flow};
use crate::openai::error::ApiError;
use crate::translate;
use crate::translate::asked::{Answered, Asked};

/// A request that is no chat, translated.
pub(crate) struct AskedJob {
    /// The model's name in the configuration.
    pub(crate) model: ModelName,
    pub(crate) serving: ServingMode,
    pub(crate) asked: Box<dyn Asked>,
    /// What the request holds of the memory for bodies. What is held of an answer between two calls comes on top of it.
    pub(crate) memory: Share,
}

impl Dispatch {
    /// Answers `exchange` with what the calls bring. Returns when the answer, whichever it is, was written.
    #[inline(never)]
    pub(crate) fn serve_asked(&self, job: AskedJob, exchange: Exchange) -> Outcome {
        let request_bytes = job.memory.bytes();
        self.work(&mut AskedWork { job, request_bytes }, exchange)
    }
}

struct AskedWork {
    job: AskedJob,
    /// Of `memory` what was taken for the request.
    request_bytes: usize,
}

impl Work for AskedWork {
    fn model(&self) -> &ModelName {
        &self.job.model
    }

    fn serving(&self) -> &ServingMode {
        &self.job.serving
    }

    fn paths(&self) -> Paths {
        Paths::Native
    }

    fn attempt(
        &mut self,
        exchange: Exchange,
        lease: Lease<'_>,
        limits: &CallLimits,
    ) -> Result<Done, Failed> {
        let started = Instant::now();
        let gone = exchange.gone();
        let hook = Box::new(move || if gone() { Flow::Stop } else { Flow::Continue });
        let job = &mut self.job;
        let answer = lease
            .account()
            .ask(&job.serving, &job.asked.ask(), limits, hook);
        let answered = answer.and_then(|answer| {
            let answered = job.asked.answered(&answer.bytes)?;
            Ok((answered, answer.opc_request_id))
        });
        let (answered, opc_request_id) = match answered {
            Ok(answered) => answered,
            Err(error) => return Err(give_up(exchange, lease, error)),
        };
        let account = lease.account().id.as_str().to_owned();
        let latency = started.elapsed();
        // Free before the client reads.
        lease.settle(Ending::Success { latency }, None);
        match answered {
            Answered::Part { tokens } => Ok(self.keep(exchange, tokens)),
            Answered::Whole { body, tokens } => {
                let mut reply = Reply::json(200, body).with_header("X-Ociai-Account", account);
                if let Some(id) = opc_request_id {
                    reply = reply.with_header("Opc-Request-Id", id);
                }
                let first_byte = Some(Instant::now());
                exchange.respond(&reply);
                Ok(Done::Finished(Finished {
                    status: 200,
                    first_byte,
                    tokens,
                    problem: None,
                    upstream: None,
                }))
            }
        }
    }

    /// Nothing can be left out without another answer.
    fn mend(&mut self, error: OciError) -> Result<(), OciError> {
        Err(error)
    }

    fn told(&self, error: &OciError) -> ApiError {
        self.job.asked.in_clients_words(translate::error(error))
    }
}

impl AskedWork {
    /// Holds what has come until the next call brings more, as far as there is memory for it.
    fn keep(&mut self, exchange: Exchange, tokens: Option<(u64, u64)>) -> Done {
        let wanted = self.request_bytes.saturating_add(self.job.asked.held());
        if self.job.memory.resize(wanted).is_ok() {
            return Done::GoesOn(Box::new(exchange), tokens);
        }
        let error = if self.job.memory.exceeds_budget(wanted) {
            ApiError::answer_too_large()
        } else {
            ApiError::body_memory()
        };
        let finished = Finished {
            status: error.status,
            first_byte: Some(Instant::now()),
            tokens,
            problem: Some(problem::of_answer(&error)),
            upstream: None,
        };
        exchange.respond_error(&error);
        Done::Finished(finished)
    }
}
