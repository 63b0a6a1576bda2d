//! The list of syncs of one call.

use super::outcome::Failure;
use crate::hightouch::SyncRef;

/// Maximum number of syncs of one call.
///
/// All of them have to fit into the memory of one instance, and share the rate limit of a
/// workspace.
pub const MAX_SYNCS: usize = 100;

/// A list of syncs that contains an invalid entry. Nothing was sent.
#[derive(Clone, Debug)]
pub struct InvalidSyncs<R> {
    /// The failure of each entry.
    pub failures: Vec<Failure<R>>,
    /// The index of the first invalid entry.
    first: usize,
}

impl<R> InvalidSyncs<R> {
    /// Returns the failure of the first invalid entry.
    pub fn into_first(mut self) -> Failure<R> {
        self.failures.swap_remove(self.first)
    }
}

/// Validates the syncs of one call. Each of the `entries` is a sync, or the failure to read it.
///
/// # Errors
///
/// Returns an error if an entry is invalid or listed twice, or if there are more than
/// [`MAX_SYNCS`].
pub fn validate_syncs<R>(
    entries: Vec<Result<SyncRef, Failure<R>>>,
) -> Result<Vec<SyncRef>, InvalidSyncs<R>> {
    if entries.len() > MAX_SYNCS {
        let too_many = || {
            Failure::invalid_input(format_args!(
                "the list has more than {MAX_SYNCS} syncs, the maximum for one call"
            ))
        };
        return Err(InvalidSyncs {
            failures: entries.iter().map(|_| too_many()).collect(),
            first: 0,
        });
    }
    let mut syncs: Vec<SyncRef> = Vec::with_capacity(entries.len());
    let mut failures = Vec::with_capacity(entries.len());
    let mut first = None;
    for entry in entries {
        let sync = entry.and_then(|sync| {
            if syncs.contains(&sync) {
                Err(Failure::invalid_input(format_args!(
                    "the sync `{sync}` is listed twice"
                )))
            } else {
                Ok(sync)
            }
        });
        match sync {
            Ok(sync) => {
                syncs.push(sync);
                failures.push(Failure::invalid_input(
                    "another sync in the list is invalid",
                ));
            }
            Err(failure) => {
                first.get_or_insert(failures.len());
                failures.push(failure);
            }
        }
    }
    match first {
        None => Ok(syncs),
        Some(first) => Err(InvalidSyncs { failures, first }),
    }
}
