//! The errors of all NVLinks of a GPU as counters that only rise.

use super::library::Choice;
use super::links::LINKS;
use crate::gpu::Unknown;

/// The errors of the links, one sum for each kind.
#[derive(Debug, Default)]
pub(super) struct LinkErrors([Sum; 4]);

impl LinkErrors {
    /// The sum of one of the four kinds.
    pub(super) fn of(&mut self, counter: Choice) -> &mut Sum {
        let [replays, recoveries, crc_flit, crc_data] = &mut self.0;
        match counter {
            Choice::LINK_REPLAYS => replays,
            Choice::LINK_RECOVERIES => recoveries,
            Choice::LINK_CRC_FLIT => crc_flit,
            _ => crc_data,
        }
    }
}

/// The errors of one kind over all links.
///
/// A link that is down may tell nothing, and one that comes up again may count from zero. A plain sum of what is told
/// would fall by all that such a link had counted, and rise by it later, as if it had happened then.
#[derive(Debug)]
pub(super) struct Sum {
    total: u64,
    /// What each link told last.
    last: [Option<u64>; LINKS as usize],
    /// Whether the sum was told before: a link that tells its first number after that counts from there.
    told: bool,
}

impl Default for Sum {
    fn default() -> Self {
        Self { total: 0, last: [None; LINKS as usize], told: false }
    }
}

impl Sum {
    /// Takes up what a link tells now.
    pub(super) fn add(&mut self, link: u32, count: u64) {
        let Some(last) = usize::try_from(link).ok().and_then(|link| self.last.get_mut(link)) else { return };
        let more = match *last {
            Some(before) => count.checked_sub(before).unwrap_or(count),
            None if self.told => 0,
            None => count,
        };
        *last = Some(count);
        self.total = self.total.saturating_add(more);
    }

    /// The sum, once any link has told something.
    pub(super) fn sum(&mut self) -> Result<u64, Unknown> {
        self.told = self.told || self.last.iter().any(Option::is_some);
        if self.told { Ok(self.total) } else { Err(Unknown::NotAvailable) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum after a tick at which these links told these numbers.
    fn tick(sum: &mut Sum, told: &[(u32, u64)]) -> Result<u64, Unknown> {
        for (link, count) in told {
            sum.add(*link, *count);
        }
        sum.sum()
    }

    #[test]
    fn a_link_that_falls_silent_takes_nothing_along_and_brings_nothing_back() {
        let mut sum = Sum::default();
        assert_eq!(tick(&mut sum, &[(0, 1000), (1, 5)]), Ok(1005));
        assert_eq!(tick(&mut sum, &[(1, 6)]), Ok(1006), "link 0 is down");
        assert_eq!(tick(&mut sum, &[(0, 1000), (1, 6)]), Ok(1006), "it is back");
        assert_eq!(tick(&mut sum, &[(0, 1002), (1, 6)]), Ok(1008));
    }

    #[test]
    fn a_link_that_counts_from_zero_again_adds_what_it_counts_since() {
        let mut sum = Sum::default();
        assert_eq!(tick(&mut sum, &[(0, 1000), (1, 5)]), Ok(1005));
        assert_eq!(tick(&mut sum, &[(0, 1000), (1, 2)]), Ok(1007));
    }

    #[test]
    fn a_link_that_tells_later_than_the_others_counts_from_there() {
        let mut sum = Sum::default();
        assert_eq!(tick(&mut sum, &[]), Err(Unknown::NotAvailable));
        assert_eq!(tick(&mut sum, &[(35, 7)]), Ok(7), "the first that tells anything");
        assert_eq!(tick(&mut sum, &[(0, 1000), (35, 7)]), Ok(7));
        assert_eq!(tick(&mut sum, &[(0, 1003), (35, 7)]), Ok(10));
    }

    #[test]
    fn each_kind_of_error_has_its_own_sum() {
        let mut errors = LinkErrors::default();
        let kinds = [Choice::LINK_REPLAYS, Choice::LINK_RECOVERIES, Choice::LINK_CRC_FLIT, Choice::LINK_CRC_DATA];
        for (count, kind) in (1..).zip(kinds) {
            errors.of(kind).add(0, count);
        }
        assert_eq!(kinds.map(|kind| errors.of(kind).sum()), [Ok(1), Ok(2), Ok(3), Ok(4)]);
    }
}
