//! The latest few hundred figures of a kind, for their percentiles. Pure; bounded.

/// Figures that are kept: the p99 is then the third largest or so.
pub(crate) const KEPT: usize = 256;

/// A ring of figures. What they count is their owner's business.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent {
    figures: Vec<u32>,
    next: usize,
}

impl Recent {
    pub(crate) fn add(&mut self, figure: u32) {
        if let Some(oldest) = self.figures.get_mut(self.next) {
            *oldest = figure;
        } else {
            self.figures.push(figure);
        }
        self.next = (self.next + 1) % KEPT;
    }

    /// The figure that `percent` of 100 do not exceed (nearest rank), for each of `percents`; `None` without any figure.
    pub(crate) fn percentiles<const N: usize>(&self, percents: [usize; N]) -> [Option<u32>; N] {
        let mut sorted = self.figures.clone();
        sorted.sort_unstable();
        percents.map(|percent| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).copied()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_the_latest() {
        let mut recent = Recent::default();
        assert_eq!(recent.percentiles([50, 99]), [None, None]);
        recent.add(7);
        assert_eq!(recent.percentiles([50, 99]), [Some(7), Some(7)]);
        for figure in 0..1000 {
            recent.add(figure);
        }
        // The latest 256: 744 to 999.
        assert_eq!(
            recent.percentiles([50, 90, 99, 100]),
            [Some(871), Some(974), Some(997), Some(999)]
        );
    }
}
