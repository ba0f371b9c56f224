//! The line of those who wait: who is served when something has changed, and when time alone will change something.

use std::collections::VecDeque;
use std::time::Instant;

use super::{Ask, Fleet, NoAccount, Pick, WaitNumber};
use crate::accounts::seat::Grant;

impl Fleet {
    /// One slot has become free, and nothing else has changed: it serves one at most.
    pub(super) fn serve_one(&mut self, now: Instant) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut places = 0..waiting.len();
        let served = places.find_map(|at| Some((at, self.answer(&waiting, at, now)?)));
        let is_trial = served.is_some_and(|(at, answer)| self.wake(&mut waiting, at, answer, now));
        self.waiting = waiting;
        if is_trial {
            self.serve_waiting(now);
        }
    }

    /// Serves or refuses everybody who can be.
    pub(super) fn serve_waiting(&mut self, now: Instant) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut at = 0;
        while at < waiting.len() {
            match self.answer(&waiting, at, now) {
                Some(answer) => {
                    if self.wake(&mut waiting, at, answer, now) {
                        at = 0; // Who stands before may have hoped for that trial.
                    }
                }
                None => at += 1,
            }
        }
        self.waiting = waiting;
        self.note_next_change(now);
    }

    /// What the one at this place of the line gets now; `None`: it goes on waiting.
    fn answer(
        &mut self,
        waiting: &VecDeque<(WaitNumber, Ask)>,
        at: usize,
        now: Instant,
    ) -> Option<Result<Grant, NoAccount>> {
        let (_, ask) = waiting.get(at)?;
        match self.pick(ask, now) {
            Pick::Wait => None,
            Pick::Never(denied) => Some(Err(denied)),
            Pick::Seat(seat) => self.grant(seat, &ask.model, now).map(Ok),
        }
    }

    /// `true`: the attempt is a trial, which may change what others wait for.
    fn wake(
        &mut self,
        waiting: &mut VecDeque<(WaitNumber, Ask)>,
        at: usize,
        answer: Result<Grant, NoAccount>,
        now: Instant,
    ) -> bool {
        let is_trial = answer.as_ref().is_ok_and(|grant| self.is_trial(grant, now));
        if let Some((number, _)) = waiting.remove(at) {
            self.woken.push((number, answer));
        }
        is_trial
    }

    pub(super) fn note_next_change(&mut self, now: Instant) {
        if self.waiting.is_empty() {
            self.next_change = None;
            return;
        }
        let seats = self.seats.iter().filter_map(|seat| seat.next_change(now));
        let pauses = self.waiting.iter().filter_map(|(_, ask)| ask.repeat_from);
        self.next_change = seats.chain(pauses.filter(|from| now < *from)).min();
    }
}
