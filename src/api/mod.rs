//! The front door: who may ask, what for, and where the answer is made. Health and model lists are answered at once by
//! the thread that received them and never queue; what calls OCI goes to the workers. Never speaks to OCI itself.

mod asked;
pub(crate) mod auth;
mod chat;
mod completions;
mod dashboard;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod golden;
mod messages;
mod metrics;
mod models;
mod resolve;
mod responses;
pub(crate) mod route;
mod served;
mod stats;
mod status;
mod summary;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::RwLock;

use crate::api::route::{Route, route};
use crate::dispatch::{Dispatch, problem};
use crate::http::exchange::Exchange;
use crate::http::head::Head;
use crate::http::reply::Reply;
use crate::http::shape::Shape;
use crate::names::{AccountId, RequestId, Secret};
use crate::openai::error::ApiError;
use crate::stats::errors::Whose;
use crate::translate::Rules;
use crate::translate::models::ModelMap;
use crate::translate::passthrough::Action;
use crate::workers::Workers;

/// Who may ask for which models. Filled by the configuration.
#[derive(Debug, Clone)]
pub(crate) struct ApiSettings {
    /// The clients' keys; any of them opens every door.
    pub(crate) keys: Vec<Secret>,
    pub(crate) models: ModelMap,
    /// `single` or `multi`: shown by `/health`, never asked about elsewhere.
    pub(crate) mode: &'static str,
    /// Accounts with `enabled = false`: shown by `/stats/accounts`, never used.
    pub(crate) disabled: Vec<AccountId>,
}

/// What a reload replaces as a whole, and a new list of models in part. A request keeps the one it began with.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) settings: ApiSettings,
    pub(crate) rules: Rules,
    pub(crate) dispatch: Dispatch,
    /// When it was loaded, seconds since 1970: the models' `created`.
    pub(crate) loaded: u64,
}

/// The front door's state.
pub(crate) struct Api {
    live: RwLock<Arc<Live>>,
    draining: AtomicBool,
    started: Instant,
    /// The same moment as others tell it.
    started_at: SystemTime,
}

/// What the workers work on: a request that calls OCI.
pub(crate) struct Task {
    route: Route,
    exchange: Exchange,
}

impl Api {
    pub(crate) fn new(mut live: Live, started: Instant) -> Arc<Self> {
        live.takes_lists();
        Arc::new(Self {
            live: RwLock::new(Arc::new(live)),
            draining: AtomicBool::new(false),
            started,
            started_at: SystemTime::now() - started.elapsed(),
        })
    }

    /// Swaps everything that a reload may change, at once.
    pub(crate) fn replace(&self, mut live: Live) {
        let mut current = self.live.write();
        live.takes_lists();
        *current = Arc::new(live);
    }

    /// The accounts' lists of models have changed.
    pub(crate) fn discovered(&self) {
        let mut current = self.live.write();
        let mut live = Live::clone(&current);
        live.takes_lists();
        *current = Arc::new(live);
    }

    /// From now on `/ready` says 503.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read())
    }

    /// What the gate asks before it reads a body.
    pub(crate) fn guard(&self, head: &Head) -> Option<ApiError> {
        admit(&self.live(), head).err()
    }

    /// Answers or queues one request; never waits.
    pub(crate) fn handle(&self, exchange: Exchange, workers: &Workers<Task>) {
        let live = self.live();
        // The gate has asked the same before it read the body; a reload in between may have changed the keys.
        let route = match admit(&live, exchange.head()) {
            Ok(route) => route,
            Err(error) => return answer_now(exchange, &Reply::error(&error)),
        };
        let reply = match &route {
            Route::Chat
            | Route::Messages
            | Route::Completions
            | Route::Responses
            | Route::Embeddings
            | Route::Rerank
            | Route::TestOci => {
                return enqueue(&live, workers, Task { route, exchange });
            }
            // Whoever asks right after a start waits for the first lists, which nobody may who stands here.
            Route::Models | Route::Model(_) | Route::CountTokens if live.awaits_lists() => {
                return enqueue(&live, workers, Task { route, exchange });
            }
            Route::CountTokens => messages::count_tokens(&live, &exchange),
            Route::StoredResponse => Reply::error(&ApiError::not_stored()),
            // The last list may have come since `live` was taken.
            Route::Models => models::list(&self.live(), Shape::of(exchange.head())),
            Route::Model(name) => models::one(&self.live(), name, Shape::of(exchange.head())),
            Route::Health => status::health(self, &live),
            Route::Ready => status::ready(self, &live),
            Route::Accounts => stats::accounts(&live),
            Route::Concurrency => stats::concurrency(&live, workers.settings().workers),
            Route::Breakers => stats::breakers(&live),
            Route::Queue => stats::queue(&live, workers),
            Route::Summary => summary::summary(self, &live, workers),
            Route::Metrics => metrics::metrics(self, &live, workers),
            Route::ResetBreakers => stats::reset_breakers(&live, exchange.head()),
            Route::Dashboard(file) => file.reply(exchange.head()),
            Route::Preflight => Reply::preflight(exchange.head()),
        };
        answer_now(exchange, &reply);
    }

    /// A request has waited too long for a worker; the gate answers it. Returns when to come back.
    pub(crate) fn expired(&self, id: &RequestId, workers: &Workers<Task>) -> Duration {
        let live = self.live();
        let (now, waiting) = (Instant::now(), workers.waiting());
        live.dispatch.queue().expired();
        let retry_after = live.dispatch.queue().retry_after(waiting, now);
        let error = live.dispatch.queue_timeout(retry_after);
        note_shed(&live, id, &error, waiting, now);
        retry_after
    }

    /// What a worker does with a task.
    pub(crate) fn work(&self, task: Task) {
        let Task { route, exchange } = task;
        // Its client has left, or the gate has answered it: nothing may be written any more.
        if !exchange.begin() {
            return;
        }
        let live = self.live();
        match route {
            Route::TestOci => {
                if live.awaits_lists() {
                    live.dispatch.await_lists();
                }
                status::test_oci(&self.live(), exchange);
            }
            Route::Chat => {
                chat::answer(&live, exchange, chat::read, Some(Action::ChatCompletions));
            }
            Route::Messages => chat::answer(&live, exchange, messages::read, None),
            Route::Completions => chat::answer(&live, exchange, completions::read, None),
            Route::Responses => {
                chat::answer(&live, exchange, responses::read, Some(Action::Responses));
            }
            Route::CountTokens => {
                let reply = messages::count_tokens(&live, &exchange);
                exchange.respond(&reply);
            }
            Route::Models => {
                live.dispatch.await_lists();
                let reply = models::list(&self.live(), Shape::of(exchange.head()));
                exchange.respond(&reply);
            }
            Route::Model(name) => {
                live.dispatch.await_lists();
                let reply = models::one(&self.live(), &name, Shape::of(exchange.head()));
                exchange.respond(&reply);
            }
            Route::Embeddings => asked::answer(&live, exchange, &asked::EMBEDDINGS),
            Route::Rerank => asked::answer(&live, exchange, &asked::RERANK),
            // Answered by who received them; never queued.
            Route::StoredResponse
            | Route::Health
            | Route::Ready
            | Route::Accounts
            | Route::Concurrency
            | Route::Breakers
            | Route::Queue
            | Route::Summary
            | Route::Metrics
            | Route::ResetBreakers
            | Route::Dashboard(_)
            | Route::Preflight => exchange.respond_error(&ApiError::internal()),
        }
    }
}

impl Task {
    /// Whether its client still waits for it.
    pub(crate) fn is_waiting(&self) -> bool {
        self.exchange.is_queued()
    }
}

fn admit(live: &Live, head: &Head) -> Result<Route, ApiError> {
    let route = route(head)?;
    auth::check(head, route.access(), &live.settings.keys)?;
    Ok(route)
}

/// Gives it to the workers, if there is a place for it in the queue.
fn enqueue(live: &Live, workers: &Workers<Task>, task: Task) {
    let elsewhere = live.dispatch.waiting();
    let Some(place) = workers.place(elsewhere) else {
        return refuse(live, task, workers.waiting() + elsewhere);
    };
    task.exchange.hold(Box::new(place));
    match workers.submit(task) {
        Ok(()) => {
            let waiting = workers.waiting() + elsewhere;
            live.dispatch.queue().enqueued(waiting);
            live.dispatch.figures().waiting(waiting, Instant::now());
        }
        Err(task) => refuse(live, task, workers.waiting() + elsewhere),
    }
}

fn refuse(live: &Live, task: Task, waiting: usize) {
    let (queue, now) = (live.dispatch.queue(), Instant::now());
    let error = ApiError::queue_full(queue.retry_after(waiting, now));
    queue.rejected();
    note_shed(live, task.exchange.request_id(), &error, waiting, now);
    let (id, head) = (task.exchange.request_id(), task.exchange.head());
    log::info!(
        msg = "request refused", request_id:% = id, client:% = head.peer, path = head.path.as_str(), status = error.status,
        error = error.message.as_str();
        "{id} {} refused: {}",
        head.peer,
        error.message
    );
    answer_now(task.exchange, &Reply::error(&error));
}

/// A request is refused that no worker has had: of which model it is nobody knows.
fn note_shed(live: &Live, id: &RequestId, error: &ApiError, waiting: usize, now: Instant) {
    let whose = Whose {
        request: id,
        model: None,
        account: None,
        answered: true,
    };
    let problem = problem::of_answer(error);
    live.dispatch.figures().shed(whose, &problem, waiting, now);
}

fn answer_now(exchange: Exchange, reply: &Reply) {
    if exchange.begin() {
        exchange.respond(reply);
    }
}
