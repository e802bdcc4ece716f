//! What a replica is, seen beside what it should be.

use crate::control::memory::Memory;
use crate::control::observed::Seen;
use crate::service::{RootAccess, Service};

/// What a replica is, seen beside what it should be.
#[derive(Debug)]
pub(super) enum Role<'a> {
    /// Nothing of it is there.
    Absent,
    /// It is as wanted, or as well as it can be.
    Steady(Seen<'a>),
    /// Its container goes, and it is created anew under the same name.
    Anew(Seen<'a>, &'static str),
    /// It is of another specification or on another GPU, and its successor is not there yet.
    Outdated(Seen<'a>),
    /// The old one, and the new one that is to take its place.
    Update(Seen<'a>, Seen<'a>),
    /// The old one that stays, and the new one that goes.
    Back(Seen<'a>, Seen<'a>),
    /// The old one, and a new one of a specification that nobody wants any more.
    Stale(Seen<'a>, Seen<'a>),
    /// The new one, whose predecessor is gone.
    Promote(Seen<'a>),
}

impl<'a> Role<'a> {
    pub(super) fn containers(&self) -> impl Iterator<Item = &Seen<'a>> {
        let (first, second) = match self {
            Self::Absent => (None, None),
            Self::Steady(one) | Self::Anew(one, _) | Self::Outdated(one) | Self::Promote(one) => (Some(one), None),
            Self::Update(one, other) | Self::Back(one, other) | Self::Stale(one, other) => (Some(one), Some(other)),
        };
        first.into_iter().chain(second)
    }

    /// Whether a container has to be created for it, now or when another one is gone.
    pub(super) fn lacks_container(&self) -> bool {
        matches!(self, Self::Absent | Self::Anew(..) | Self::Outdated(_) | Self::Stale(..))
    }

    /// Whether it is on the way from one container to another.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self, Self::Outdated(_) | Self::Update(..) | Self::Back(..) | Self::Stale(..) | Self::Promote(_))
    }
}

/// Whether a container has ended and must get a root that can be written.
pub(super) fn is_locked_up(memory: &Memory, service: &Service, seen: &Seen<'_>) -> bool {
    let found = seen.hash().is_some_and(|hash| memory.roots.contains_key(hash));
    found && service.security.root == RootAccess::Auto && seen.root().is_none() && !seen.is_active()
}
