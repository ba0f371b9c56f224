//! The seats that one request has tried, how often, and whether trying one again makes sense. Pure.

use crate::accounts::seat::SeatNumber;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tried(Vec<Try>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Try {
    seat: SeatNumber,
    times: u32,
    /// What went wrong there may go well the next time.
    may_repeat: bool,
}

impl Tried {
    /// An attempt there has failed. Once it may not be repeated, it never may.
    pub(crate) fn add(&mut self, seat: SeatNumber, may_repeat: bool) {
        match self.0.iter_mut().find(|tried| tried.seat == seat) {
            Some(tried) => {
                tried.times += 1;
                tried.may_repeat &= may_repeat;
            }
            None => self.0.push(Try {
                seat,
                times: 1,
                may_repeat,
            }),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, seat: SeatNumber) -> bool {
        self.0.iter().any(|tried| tried.seat == seat)
    }

    /// How often it was tried, if it may be again.
    pub(crate) fn repeatable(&self, seat: SeatNumber) -> Option<u32> {
        let tried = self.0.iter().find(|tried| tried.seat == seat)?;
        tried.may_repeat.then_some(tried.times)
    }

    /// Whether some seat may be tried again.
    pub(crate) fn is_repeatable(&self) -> bool {
        self.0.iter().any(|tried| tried.may_repeat)
    }

    /// How often it was tried.
    pub(crate) fn times(&self, seat: SeatNumber) -> u32 {
        let tried = self.0.iter().find(|tried| tried.seat == seat);
        tried.map_or(0, |tried| tried.times)
    }
}
