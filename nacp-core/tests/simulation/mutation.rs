//! Bugs that a test plants on purpose, outside the loop, to see that the simulation finds them.

/// Which bug is planted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mutation {
    #[default]
    None,
    /// The engine takes a second container of a name: it gives it another one and says nothing.
    CreateAcceptsTakenName,
    /// Whose label says ours is taken for ours, whatever its name is.
    NamesNotCompared,
    /// Everyone gets the lease.
    EveryoneHasTheLease,
    /// A replica is called ready when it has barely been started.
    ReadyAtOnce,
    /// Another loop stands in for the real one: one that was written on an afternoon.
    NaiveLoop,
}
