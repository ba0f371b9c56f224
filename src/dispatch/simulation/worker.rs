//! The pretended workers: they take requests from the queue and serve them as `serve` and `slots` do.

use crate::accounts::fleet::{Acquired, NoAccount, WaitNumber};
use crate::accounts::seat::{Ending, Grant};
use crate::dispatch::simulation::day::{self, Course};
use crate::dispatch::simulation::tally::End;
use crate::dispatch::simulation::world::{Event, Lease, Place, World};
use crate::dispatch::verdict::{self, Next};
use crate::oci::error::OciError;

impl World {
    /// Idle workers take what is queued.
    pub(super) fn work(&mut self) {
        while self.idle > 0
            && let Some(request) = self.queue.pop_front()
        {
            self.idle -= 1;
            self.fleet.arrived();
            self.ask(request);
        }
    }

    fn ask(&mut self, request: usize) {
        self.requests[request].place = Place::Asking;
        let ask = self.requests[request].journey.ask();
        self.requests[request].repeat_from = ask.repeat_from;
        let acquired = self.fleet.acquire(ask, self.now);
        self.look(true, Some((request, acquired)));
    }

    /// Brings what the fleet says to those who asked, and compares it with what it should say. `is_settled`: the fleet was told
    /// what time it is.
    pub(super) fn look(&mut self, is_settled: bool, own: Option<(usize, Acquired)>) {
        let mut news: Vec<(usize, Option<WaitNumber>, Result<Grant, NoAccount>)> = Vec::new();
        match own {
            Some((request, Acquired::Granted(grant))) => news.push((request, None, Ok(grant))),
            Some((request, Acquired::Denied(denied))) => news.push((request, None, Err(denied))),
            Some((request, Acquired::Waiting(number))) => {
                self.tally.waits += 1;
                self.waiting.insert(number, request);
                self.requests[request].place = Place::Waiting(number);
                let until = self.requests[request].journey.wait_until();
                self.at(until.max(self.now), Event::Deadline(request, number));
            }
            None => {}
        }
        for (number, answer) in self.fleet.take_woken() {
            let request = self.waiting.remove(&number);
            let request = request.expect("somebody was woken who does not wait");
            news.push((request, Some(number), answer));
        }
        let mut granted = Vec::new();
        let mut denied = Vec::new();
        for (request, number, answer) in news {
            match answer {
                Ok(grant) => {
                    let lease = self.lease(request, grant);
                    granted.push((lease, request, number));
                }
                Err(denied_so) => {
                    self.tally.denied_waiters += u64::from(number.is_some());
                    denied.push((request, denied_so.is_missing));
                    self.tally.missing += u64::from(denied_so.is_missing);
                }
            }
        }
        let mut watch = std::mem::take(&mut self.watch);
        watch.look(self, is_settled, &granted, &denied);
        self.watch = watch;
        for (lease, request, _) in granted {
            self.start(lease, request);
        }
        for (request, _) in denied {
            self.refund(request);
            let tried = self.requests[request].attempts > 0;
            let end = if tried { End::Refused } else { End::NoAccount };
            self.over(request, end);
        }
    }

    /// An attempt that was drawn and is not made goes back to the budget.
    fn refund(&mut self, request: usize) {
        let asked = &mut self.requests[request];
        if asked.journey.is_drawn() {
            asked.drawn -= 1;
            self.drawn -= 1;
            self.fleet.refund_retry();
        }
    }

    fn lease(&mut self, request: usize, grant: Grant) -> u64 {
        self.next_lease += 1;
        let lease = Lease {
            grant,
            request,
            answered: false,
            is_trial: false,
            is_trial_of_lacking: false,
            result: None,
            began: self.now,
            first_event: None,
        };
        self.leases.insert(self.next_lease, lease);
        self.requests[request].place = Place::Calling(self.next_lease);
        self.next_lease
    }

    /// An attempt starts.
    fn start(&mut self, number: u64, request: usize) {
        let now = self.now;
        let seat = self.leases[&number].grant.seat;
        let by = self.requests[request].journey.starts(now);
        let asked = &mut self.requests[request];
        let started = *asked.started.get_or_insert(now);
        assert!(by <= started + asked.settings.request_timeout * 2);
        asked.attempts += 1;
        self.tally.attempts += 1;
        self.tally.repeats += u64::from(asked.tried.contains_key(&seat));
        self.tally.trials += u64::from(self.leases[&number].is_trial);
        let trouble = day::trouble(&self.outages, self.places[&seat], now);
        let Course {
            begins,
            ends,
            result,
        } = day::course(trouble, &mut self.random, now, by);
        if let Some(lease) = self.leases.get_mut(&number) {
            lease.result = Some(result);
            lease.first_event = begins;
        }
        if let Some(at) = begins {
            self.at(at, Event::Begins(number));
        }
        self.at(ends, Event::Ends(number));
    }

    /// A stream's first event has come.
    pub(super) fn begins(&mut self, number: u64) {
        let now = self.now;
        if let Some(lease) = self.leases.get_mut(&number) {
            lease.answered = true;
            self.fleet.answered(&mut lease.grant, now);
            self.look(false, None);
        }
    }

    fn settle(&mut self, lease: &Lease, ending: Ending) {
        let why = Some(format!("{ending:?}"));
        self.fleet.settle(&lease.grant, ending, why, self.now);
        // What a removed account's attempt says changes nothing.
        let is_known = self
            .accounts
            .iter()
            .any(|(_, number, _)| *number == lease.grant.seat);
        self.look(is_known, None);
    }

    pub(super) fn ends(&mut self, number: u64) {
        let Some(mut lease) = self.leases.remove(&number) else {
            return; // Its client left.
        };
        let request = lease.request;
        self.requests[request].place = Place::Asking;
        let error = match lease.result.take().unwrap() {
            Ok(()) => {
                let answered = lease.first_event.unwrap_or(self.now);
                let latency = answered - lease.began;
                self.settle(&lease, Ending::Success { latency });
                return self.over(request, End::Answered);
            }
            Err(None) => {
                self.settle(&lease, Ending::Unknown);
                return self.over(request, End::Panicked);
            }
            Err(Some(error)) => error,
        };
        let verdict = verdict::judge(&error);
        self.settle(&lease, verdict.ending);
        if lease.answered {
            return self.over(request, End::Broken);
        }
        let (seat, now) = (lease.grant.seat, self.now);
        let is_at_fault = verdict.next == Next::Answer && matches!(error, OciError::Status(_));
        let asked = &mut self.requests[request];
        if is_at_fault && asked.mended == 0 && asked.journey.is_in_time(now) {
            asked.mended += 1;
            asked.journey.mended(now);
            self.tally.mended += 1;
            return self.ask(request);
        }
        let (fleet, drawn) = (&mut self.fleet, &mut asked.drawn);
        let goes_on = asked.journey.failed(seat, verdict.next, now, || {
            let allowed = fleet.draw_retry(now);
            *drawn += u32::from(allowed);
            self.tally.unpaid += u64::from(!allowed);
            self.drawn += u64::from(allowed);
            allowed
        });
        let tried = asked.tried.entry(seat).or_insert((0, true));
        tried.0 += 1;
        tried.1 &= verdict.next == Next::Anywhere;
        if goes_on {
            self.ask(request);
        } else {
            self.over(request, End::Refused);
        }
    }

    /// Its client leaves, or its time is up.
    pub(super) fn gives_up(&mut self, request: usize, end: End) {
        match self.requests[request].place {
            Place::Over(_) => {}
            Place::Asking => panic!("a request between two events"),
            Place::Queued => {
                self.queue.retain(|queued| *queued != request);
                self.requests[request].place = Place::Over(end);
            }
            Place::Waiting(number) => {
                // Its thread wakes up, looks at the clock first, and takes what it was given.
                self.fleet.advance(self.now);
                self.look(true, None);
                if self.requests[request].place == Place::Waiting(number) {
                    self.waiting.remove(&number);
                    self.fleet.leave(number);
                    self.look(false, None);
                    self.refund(request);
                    self.over(request, end);
                }
            }
            Place::Calling(number) => {
                let lease = self.leases.remove(&number).unwrap();
                let verdict = verdict::judge(&OciError::Cancelled);
                self.settle(&lease, verdict.ending);
                self.over(request, end);
            }
        }
    }

    /// The one end of a request that a worker had.
    pub(super) fn over(&mut self, request: usize, end: End) {
        let asked = &mut self.requests[request];
        assert!(!matches!(asked.place, Place::Over(_)), "a second end");
        let paid = (asked.attempts - asked.mended).saturating_sub(2);
        assert!(paid <= asked.drawn, "an attempt that was not paid for");
        assert!(asked.attempts <= 1 + asked.settings.retry_attempts + asked.mended);
        self.tally.paid += u64::from(paid);
        asked.place = Place::Over(end);
        self.idle += 1;
    }
}
