//! The thread that keeps the lists of models fresh, if the configuration has `* = auto`.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::api::Api;
use crate::http;

/// How long it sleeps when there is nothing to fetch.
const IDLE: Duration = Duration::from_secs(3600);
/// The shortest sleep, should a list be due again at once.
const SHORTEST: Duration = Duration::from_millis(100);

/// Starts the thread. `reloads`: the configuration is another one; when it is closed the thread ends.
///
/// # Errors
/// The thread cannot be had.
pub(crate) fn start(api: Arc<Api>, reloads: Receiver<()>) -> io::Result<()> {
    let spawned = thread::Builder::new()
        .name("models".to_owned())
        .spawn(move || run(&api, &reloads));
    spawned.map(|_| ())
}

fn run(api: &Api, reloads: &Receiver<()>) {
    let mut was_auto = false;
    loop {
        let live = api.live();
        let is_auto = live.settings.models.is_auto();
        if is_auto {
            let refreshed = || api.discovered();
            live.dispatch
                .refresh_lists(http::new_request_id, &refreshed);
        } else if was_auto {
            live.dispatch.forget_lists();
        }
        was_auto = is_auto;
        let due = live.dispatch.lists_due_in().filter(|_| is_auto);
        drop(live);
        match reloads.recv_timeout(due.unwrap_or(IDLE).max(SHORTEST)) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
