//! The ways into OCI: its own API and its OpenAI-compatible one. Not every account may take both, and not every call can. Pure.

use super::seat::{Seat, SeatNumber};

/// Of an account: the ways that it may take. Of a call: those that would do, whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Paths {
    /// OCI's own API alone.
    Native,
    /// The OpenAI-compatible one alone: an account with an API key of the service.
    OpenAi,
    /// Both: an account that signs.
    #[default]
    Either,
}

impl Paths {
    /// Whether an account of these can make a call of those.
    pub(crate) fn meet(self, other: Self) -> bool {
        match (self, other) {
            (Self::Native, Self::OpenAi) | (Self::OpenAi, Self::Native) => false,
            (Self::Native | Self::Either, Self::Native | Self::Either)
            | (Self::OpenAi | Self::Either, Self::OpenAi | Self::Either) => true,
        }
    }
}

/// For each kind of call the only account that can make it, if there is just one: it is asked whatever speaks against it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Alone {
    native: Option<SeatNumber>,
    open_ai: Option<SeatNumber>,
    either: Option<SeatNumber>,
}

impl Alone {
    pub(super) fn among(seats: &[Seat]) -> Self {
        let of = |paths: Paths| {
            let mut can = seats
                .iter()
                .filter(|seat| seat.is_usable() && seat.serves(paths));
            let first = can.next().map(Seat::number);
            first.filter(|_| can.next().is_none())
        };
        Self {
            native: of(Paths::Native),
            open_ai: of(Paths::OpenAi),
            either: of(Paths::Either),
        }
    }

    pub(super) fn of(self, paths: Paths) -> Option<SeatNumber> {
        match paths {
            Paths::Native => self.native,
            Paths::OpenAi => self.open_ai,
            Paths::Either => self.either,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_of_one_way_alone_cannot_go_the_other() {
        use Paths::{Either, Native, OpenAi};
        for (account, call, can) in [
            (Native, Native, true),
            (Native, OpenAi, false),
            (Native, Either, true),
            (OpenAi, OpenAi, true),
            (OpenAi, Either, true),
            (Either, Either, true),
        ] {
            assert_eq!(account.meet(call), can, "{account:?} {call:?}");
            assert_eq!(call.meet(account), can, "{call:?} {account:?}");
        }
    }
}
