//! What a job asks of OCI, and through which of its two APIs. A model that may be asked through either has the request in the
//! client's own words, and in those of the native API once an account needs them.

use std::time::Instant;

use crate::accounts::paths::Paths;
use crate::dispatch::ways::{Wanted, Way};
use crate::dispatch::{Account, Dispatch, Job};
use crate::names::RequestId;
use crate::oci::error::{OciError, StatusError};
use crate::oci::wire;
use crate::oci::{Answer, CallLimits, Copied, Hook};
use crate::openai::chat::ChatRequest;
use crate::openai::error::ApiError;
use crate::openai::render::Render;
use crate::translate::models::ModelTarget;
use crate::translate::param_repair::{self, DroppedParam, Repairable};
use crate::translate::passthrough::{Action, Passed};
use crate::translate::{self, Dialect, Rules, fields};

/// What is said of a model that is asked through the OpenAI-compatible API only.
const MAY_LACK_IT: &str = "OCI was asked through its OpenAI-compatible API (upstream_api = openai), which the region, the account's \
                           policy or the model may lack: upstream_api = auto or native asks the other one.";

/// A client's request in the words of a chat.
pub(crate) struct Conversation {
    pub(crate) request: ChatRequest,
    pub(crate) render: Box<dyn Render>,
    /// The client's names of what was left out because a chat has no word for it.
    pub(crate) lost: Vec<String>,
}

/// Reads the body of an API's request. Errors: 400 that names the field at fault.
pub(crate) type Read = fn(&[u8], &RequestId) -> Result<Conversation, ApiError>;

/// What it takes to bring a request that goes through to the native API after all.
pub(crate) struct Translation {
    pub(crate) target: ModelTarget,
    pub(crate) rules: Rules,
    pub(crate) read: Read,
    pub(crate) id: RequestId,
}

/// A request in OCI's words, in the client's own, or in both.
pub(crate) struct Request {
    /// For the OpenAI-compatible API.
    passed: Option<Passed>,
    /// For the native one.
    native: Option<wire::ChatRequest>,
    /// What it takes to make the second of the first; `None`: the model has one API.
    translation: Option<Translation>,
    /// How the latest call went.
    way: Way,
    /// See [`Self::is_doubtful`].
    is_doubtful: bool,
}

/// An answer of either API.
pub(super) enum Answered {
    Native(Answer),
    Copied(Action, Copied),
}

impl Request {
    /// For the native API.
    pub(crate) fn native(request: wire::ChatRequest) -> Self {
        Self {
            passed: None,
            native: Some(request),
            translation: None,
            way: Way::Native,
            is_doubtful: false,
        }
    }

    /// For the OpenAI-compatible API. With a translation also for the native one, where an account lacks the other.
    pub(crate) fn passed(passed: Passed, translation: Option<Translation>) -> Self {
        Self {
            passed: Some(passed),
            native: None,
            translation,
            way: Way::OpenAi,
            is_doubtful: false,
        }
    }

    /// The ways into OCI that would do.
    pub(super) fn paths(&self) -> Paths {
        match (&self.passed, &self.translation) {
            (None, _) => Paths::Native,
            (Some(_), None) => Paths::OpenAi,
            (Some(_), Some(_)) => Paths::Either,
        }
    }

    /// Whether the latest call's error may be about the OpenAI-compatible API alone, or about what a response refers to.
    pub(super) fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// Of nothing: its memory is free.
    pub(super) fn none() -> Self {
        Self::native(wire::ChatRequest::Generic(Box::default()))
    }

    /// Leaves out beforehand what the model has refused before; the names of what is lost.
    pub(super) fn apply_known(&mut self, known: &[DroppedParam]) -> Vec<String> {
        match self.in_use() {
            Some(request) => param_repair::apply_known(known, request),
            None => Vec::new(),
        }
    }

    /// Leaves out what the latest call was refused for.
    pub(super) fn repair(&mut self, refusal: &StatusError) -> Option<DroppedParam> {
        param_repair::repair(refusal, self.in_use()?)
    }

    fn in_use(&mut self) -> Option<Repairable<'_>> {
        match self.way {
            Way::Native => self.native.as_mut().map(Repairable::from),
            Way::OpenAi => self.passed.as_mut().map(Repairable::from),
        }
    }
}

impl Dispatch {
    /// One call to the account. A model that may be asked through either API is asked through the native one where the other turns
    /// out to be missing: at once, on the same account, within the same attempt.
    pub(super) fn call(
        &self,
        job: &mut Job,
        account: &Account,
        limits: &CallLimits,
        hook: impl Fn() -> Hook,
    ) -> Result<Answered, OciError> {
        job.request.is_doubtful = false;
        let Some(passed) = &job.request.passed else {
            return call_natively(job, account, limits, hook());
        };
        let action = passed.action();
        let model: Wanted = (action, job.serving.id().into());
        let may_choose = job.request.translation.is_some();
        if may_choose {
            let way = self.ways.lock().choose(&account.id, &model, Instant::now());
            if way == Way::Native {
                return call_natively(job, account, limits, hook());
            }
        }
        job.request.way = Way::OpenAi;
        let error = match account.call_copied(passed, limits, hook()) {
            Ok(answer) => {
                let now = Instant::now();
                self.ways.lock().works(&account.id, &model, now);
                return Ok(Answered::Copied(action, answer));
            }
            Err(error) => error,
        };
        let refers_to_nothing = action == Action::Responses && is_not_found(&error);
        if !is_missing(&error) || self.ways.lock().has_worked(&account.id, &model) {
            job.request.is_doubtful = refers_to_nothing;
            return Err(error);
        }
        if !may_choose {
            // An API key of the service has no other way.
            job.request.is_doubtful = account.signs() || refers_to_nothing;
            return Err(explained(error));
        }
        let answer = call_natively(job, account, limits, hook());
        match answer {
            Ok(answer) => {
                let now = Instant::now();
                self.ways.lock().lacks(&account.id, &model, now);
                log::info!(
                    "account {} has no OpenAI-compatible API for {} ({error}): it is asked through the native one",
                    account.id,
                    job.serving.id()
                );
                Ok(answer)
            }
            // The other API knows no better, or the account cannot call it: what the first one said stands.
            Err(other) if is_missing(&other) || is_closed(&other) => {
                job.request.way = Way::OpenAi;
                Err(error)
            }
            Err(other) => Err(other),
        }
    }
}

fn call_natively(
    job: &mut Job,
    account: &Account,
    limits: &CallLimits,
    hook: Hook,
) -> Result<Answered, OciError> {
    job.request.way = Way::Native;
    let request = match job.request.native.take() {
        Some(request) => request,
        None => translated(job).map_err(|error| as_refusal(&error))?,
    };
    let request = job.request.native.insert(request);
    let answer = account.call(&job.serving, request, limits, hook);
    answer.map(Answered::Native)
}

/// The request that was to go through, in the native API's words.
fn translated(job: &mut Job) -> Result<wire::ChatRequest, ApiError> {
    let (Some(passed), Some(translation)) = (&job.request.passed, &job.request.translation) else {
        return Err(ApiError::internal());
    };
    let Translation {
        target,
        rules,
        read,
        id,
    } = translation;
    let Conversation {
        request,
        render,
        lost,
    } = read(passed.body(), id)?;
    job.render = render;
    job.meta.dialect = Dialect::of(&request, target);
    job.meta.function_call = request.wants_function_call();
    let unsaid = fields::lost(&request, target.format());
    let request = translate::request(request, target, rules)?;
    let unsaid = unsaid.into_iter().map(str::to_owned);
    for name in lost.into_iter().chain(unsaid) {
        job.loses(name);
    }
    Ok(request)
}

/// A refusal as if OCI had said it.
fn as_refusal(error: &ApiError) -> OciError {
    OciError::Status(Box::new(StatusError {
        status: error.status,
        code: error.code.clone(),
        message: error.message.clone(),
        param: error.param.clone(),
        opc_request_id: None,
        retry_after: None,
    }))
}

/// Whether the error may mean that the account has no such API, or not for this model: OCI does not tell that from a missing
/// policy.
fn is_missing(error: &OciError) -> bool {
    match error {
        OciError::Status(status) => match status.status {
            401 | 404 | 405 | 501 => true,
            // xAI refuses what a prompt says with it, too.
            403 => translate::error(error).status >= 500,
            _ => false,
        },
        OciError::Unreachable { .. }
        | OciError::Timeout { .. }
        | OciError::Broken { .. }
        | OciError::Event { .. }
        | OciError::NoCredential { .. }
        | OciError::Cancelled => false,
    }
}

fn is_not_found(error: &OciError) -> bool {
    matches!(error, OciError::Status(status) if status.status == 404)
}

/// Whether the native API is not for this account, or not for this model.
fn is_closed(error: &OciError) -> bool {
    matches!(error, OciError::NoCredential { .. }) || translate::is_about_another_api(error)
}

fn explained(error: OciError) -> OciError {
    let OciError::Status(mut status) = error else {
        return error;
    };
    status.message = format!("{} {MAY_LACK_IT}", status.message);
    OciError::Status(status)
}
