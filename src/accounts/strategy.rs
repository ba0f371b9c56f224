//! Who is next: the strategies. Pure. Whoever cannot be chosen now is skipped, and when it comes back it has neither a claim to what it
//! missed nor a debt: the others' turns and proportions are as they would be without it. Follows the specification's §6.

use crate::accounts::Strategy;
use crate::accounts::seat::Seat;

/// The seat that the strategy chooses among those that `usable` admits. `turn` is where the next round begins; it moves
/// behind whoever is chosen.
pub(crate) fn choose(
    strategy: Strategy,
    turn: &mut usize,
    seats: &mut [Seat],
    usable: impl Fn(&Seat) -> bool,
) -> Option<usize> {
    let chosen = match strategy {
        Strategy::RoundRobin => {
            by_turn(*turn, seats.len()).find(|at| seats.get(*at).is_some_and(&usable))
        }
        Strategy::Weighted => weighted(seats, usable),
        Strategy::LeastConnections => by_turn(*turn, seats.len())
            .filter_map(|at| seats.get(at).map(|seat| (at, seat)))
            .filter(|(_, seat)| usable(seat))
            // The first of several smallest ones: ties go by turn.
            .min_by_key(|(_, seat)| seat.in_flight())
            .map(|(at, _)| at),
    }?;
    *turn = chosen + 1;
    Some(chosen)
}

fn by_turn(turn: usize, seats: usize) -> impl Iterator<Item = usize> {
    (0..seats).map(move |step| (turn + step) % seats)
}

/// Smooth weighted round robin: everybody earns its weight, the richest is chosen and pays what all have earned. The credits'
/// sum stays the same, and only those who take part earn and pay.
fn weighted(seats: &mut [Seat], usable: impl Fn(&Seat) -> bool) -> Option<usize> {
    let mut earned = 0;
    let mut richest: Option<(usize, i64)> = None;
    for (at, seat) in seats.iter_mut().enumerate() {
        if !usable(seat) {
            continue;
        }
        let weight = i64::from(seat.weight());
        seat.credit += weight;
        earned += weight;
        if richest.is_none_or(|(_, credit)| seat.credit > credit) {
            richest = Some((at, seat.credit));
        }
    }
    let (at, _) = richest?;
    if let Some(seat) = seats.get_mut(at) {
        seat.credit -= earned;
    }
    Some(at)
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::accounts::seat::tests::seat;

    /// The names of `count` choices in a row; `out` are not there.
    fn choices(
        strategy: Strategy,
        seats: &mut [Seat],
        turn: &mut usize,
        count: usize,
        out: &[&str],
    ) -> String {
        (0..count)
            .map(|_| {
                let usable = |seat: &Seat| !out.contains(&seat.id().as_str());
                let at = choose(strategy, turn, seats, usable).unwrap();
                seats[at].id().as_str().to_owned()
            })
            .collect()
    }

    fn fleet(weights: &[(&str, u32)]) -> Vec<Seat> {
        let now = Instant::now();
        weights
            .iter()
            .map(|(id, weight)| seat(id, *weight, 1000, now))
            .collect()
    }

    #[test]
    fn round_robin_is_strict_and_who_is_out_leaves_equal_shares() {
        let (mut seats, mut turn) = (fleet(&[("a", 1), ("b", 1), ("c", 1)]), 0);
        let mut next =
            |count, out: &[&str]| choices(Strategy::RoundRobin, &mut seats, &mut turn, count, out);
        assert_eq!(next(7, &[]), "abcabca");
        assert_eq!(next(6, &["b"]), "cacaca");
        assert_eq!(next(4, &[]), "bcab");
    }

    #[test]
    fn weights_hold_in_any_window_and_for_those_who_are_left() {
        let (mut seats, mut turn) = (fleet(&[("a", 3), ("b", 2), ("c", 1)]), 0);
        let mut next =
            |count, out: &[&str]| choices(Strategy::Weighted, &mut seats, &mut turn, count, out);
        let all = next(606, &[]);
        for start in 0..600 {
            let window = &all[start..start + 6];
            let count = |id: char| window.chars().filter(|chosen| *chosen == id).count();
            assert_eq!((count('a'), count('b'), count('c')), (3, 2, 1), "{window}");
        }
        let without = next(500, &["b"]);
        assert_eq!(without.matches('c').count(), 125);
        // Whoever was away does not catch up.
        let back = next(6, &[]);
        assert_eq!(back.matches('b').count(), 2, "{back}");
    }

    #[test]
    fn least_connections_takes_the_emptiest_and_ties_go_by_turn() {
        let now = Instant::now();
        let (mut seats, mut turn) = (fleet(&[("a", 1), ("b", 9), ("c", 1)]), 0);
        let strategy = Strategy::LeastConnections;
        assert_eq!(choices(strategy, &mut seats, &mut turn, 4, &[]), "abca");
        seats[1].enter(now);
        assert_eq!(choices(strategy, &mut seats, &mut turn, 4, &[]), "caca");
        seats[0].enter(now);
        seats[0].enter(now);
        seats[2].enter(now);
        seats[2].enter(now);
        assert_eq!(choices(strategy, &mut seats, &mut turn, 1, &[]), "b");
        assert_eq!(choose(strategy, &mut turn, &mut seats, |_| false), None);
    }

    #[test]
    fn an_empty_fleet_has_nobody() {
        for strategy in Strategy::ALL {
            assert_eq!(choose(strategy, &mut 5, &mut [], |_| true), None);
        }
    }
}
