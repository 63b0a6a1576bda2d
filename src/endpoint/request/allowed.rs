//! The syncs and the sequences that callers may run: the settings `ALLOWED_SYNCS` and
//! `ALLOWED_SYNCS_<ACCOUNT>`.
//!
//! Hightouch's API keys have no scopes, so only these lists limit callers to a part of the
//! workspace.

use super::account::Account;
use crate::endpoint::response::problem::Problem;
use crate::endpoint::settings::{ALLOWED_SYNCS, Settings};
use crate::engine::AllowedSyncs;
use crate::hightouch::{SequenceId, SequenceRunId, SyncId, SyncRef};

/// Maximum length of the names of forbidden syncs in one message, in bytes.
const MAX_NAMES: usize = 768;

/// The syncs and the sequences that a request may touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::endpoint) struct Allowed(Option<List>);

/// The entries of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct List {
    syncs: Vec<SyncId>,
    sequences: Vec<SequenceId>,
}

/// Why a list is invalid. The message does not quote the list, because the value could be a secret
/// that was meant for another setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::endpoint) enum InvalidList {
    /// The list has only separators.
    #[error("it contains no entry. Unset it to allow every sync")]
    Empty,
    /// The entry at this position, counted from 1, is invalid.
    #[error("its entry {0} is neither the ID of a sync nor the UUID of a sequence")]
    Entry(usize),
}

impl Allowed {
    /// Returns what a request may touch. The account's own list replaces the general one.
    ///
    /// # Errors
    ///
    /// Returns a problem if one of the two lists is invalid.
    pub(in crate::endpoint) fn of(
        account: Option<&Account>,
        settings: &dyn Settings,
    ) -> Result<Self, Problem> {
        let for_all = Self::setting(ALLOWED_SYNCS, settings)?;
        let for_account = match account {
            Some(account) => Self::setting(&account.setting(ALLOWED_SYNCS), settings)?,
            None => Self::default(),
        };
        Ok(Self(for_account.0.or(for_all.0)))
    }

    fn setting(name: &str, settings: &dyn Settings) -> Result<Self, Problem> {
        let Some(text) = settings.get(name)? else {
            return Ok(Self::default());
        };
        Self::parse(&text).map_err(|error| Problem::invalid_setting(name, error))
    }

    /// Reads a list that is separated by commas. Blanks around an entry and empty entries are
    /// ignored.
    ///
    /// # Errors
    ///
    /// Returns an error if an entry is neither an ID nor a UUID, or if there is no entry.
    pub(in crate::endpoint) fn parse(text: &str) -> Result<Self, InvalidList> {
        let mut list = List::default();
        for (entry, position) in text.split(',').map(str::trim_ascii).zip(1..) {
            if entry.is_empty() {
                continue;
            }
            if let Ok(sync) = entry.parse() {
                list.syncs.push(sync);
            } else if let Ok(sequence) = entry.parse() {
                list.sequences.push(sequence);
            } else {
                return Err(InvalidList::Entry(position));
            }
        }
        if list.syncs.is_empty() && list.sequences.is_empty() {
            return Err(InvalidList::Empty);
        }
        Ok(Self(Some(list)))
    }

    /// Returns the limit for the engine, which checks the ID of a slug after the look-up.
    pub(in crate::endpoint) fn syncs(&self) -> AllowedSyncs {
        match &self.0 {
            Some(list) => AllowedSyncs::only(list.syncs.iter().copied()),
            None => AllowedSyncs::all(),
        }
    }

    /// Checks a sync. A slug passes: its ID is not known yet.
    ///
    /// # Errors
    ///
    /// Returns a problem if the sync is not allowed.
    pub(in crate::endpoint) fn check_sync(&self, sync: &SyncRef) -> Result<(), Problem> {
        self.check_syncs(core::slice::from_ref(sync))
    }

    /// Checks several syncs. A slug passes: its ID is not known yet.
    ///
    /// # Errors
    ///
    /// Returns a problem that names each sync that is not allowed.
    pub(in crate::endpoint) fn check_syncs(&self, syncs: &[SyncRef]) -> Result<(), Problem> {
        let Some(list) = &self.0 else {
            return Ok(());
        };
        let forbidden: Vec<SyncId> = syncs
            .iter()
            .filter_map(|sync| match sync {
                SyncRef::Id(id) if !list.syncs.contains(id) => Some(*id),
                _ => None,
            })
            .collect();
        match forbidden.as_slice() {
            [] => Ok(()),
            [sync] => Err(Problem::forbidden(format_args!("sync {sync}"))),
            several => Err(Problem::forbidden(format_args!("syncs {}", names(several)))),
        }
    }

    /// Checks a sequence. Its syncs need not be on the list.
    ///
    /// # Errors
    ///
    /// Returns a problem if the sequence is not allowed.
    pub(in crate::endpoint) fn check_sequence(&self, sequence: &SequenceId) -> Result<(), Problem> {
        match &self.0 {
            Some(list) if !list.sequences.contains(sequence) => {
                Err(Problem::forbidden(format_args!("sequence {sequence}")))
            }
            _ => Ok(()),
        }
    }

    /// Checks a run of a sequence. Hightouch does not report to which sequence a run belongs, so
    /// the run passes if any sequence is allowed.
    ///
    /// # Errors
    ///
    /// Returns a problem if no sequence is allowed.
    pub(in crate::endpoint) fn check_sequence_run(
        &self,
        run: &SequenceRunId,
    ) -> Result<(), Problem> {
        match &self.0 {
            Some(list) if list.sequences.is_empty() => Err(Problem::forbidden(format_args!(
                "the sequence of run {run}"
            ))),
            _ => Ok(()),
        }
    }
}

/// Returns the IDs as one text. If they are too long, it contains the first ones and the number of
/// the others.
fn names(syncs: &[SyncId]) -> String {
    let mut names = String::new();
    for (index, sync) in syncs.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        let name = format!("{separator}{sync}");
        if names.len() + name.len() > MAX_NAMES {
            return format!("{names} and {} more", syncs.len() - index);
        }
        names += &name;
    }
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::endpoint::settings::fixed::Fixed;

    const UUID: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";

    fn detail(problem: &Problem) -> String {
        let view = serde_json::to_value(problem).unwrap();
        view.get("detail").unwrap().as_str().unwrap().into()
    }

    #[test]
    fn a_list_has_ids_and_uuids() {
        let list = Allowed::parse(&format!(" 7,, 12 ,{UUID},")).unwrap();
        let is_allowed = |sync: &str| list.check_sync(&sync.parse().unwrap()).is_ok();
        assert!(is_allowed("7") && is_allowed("007") && is_allowed("12"));
        assert!(!is_allowed("1") && !is_allowed("712"));
        assert!(is_allowed("demo"), "the engine checks the ID of a slug");
        let syncs = list.syncs();
        assert!(syncs.allows(7.try_into().unwrap()) && !syncs.allows(1.try_into().unwrap()));
        let sequence = |uuid: &str| list.check_sequence(&uuid.parse().unwrap()).is_ok();
        assert!(sequence(UUID) && sequence(&UUID.to_uppercase()));
        assert!(!sequence(&UUID.replace('0', "1")));
        assert!(list.check_sequence_run(&UUID.parse().unwrap()).is_ok());

        let without = Allowed::parse("7").unwrap();
        let problem = without.check_sequence_run(&UUID.parse().unwrap());
        assert_eq!(problem.map_err(|problem| problem.status), Err(403));
        for (text, error) in [
            (",", InvalidList::Empty),
            (" , ,", InvalidList::Empty),
            ("demo", InvalidList::Entry(1)),
            ("1,0", InvalidList::Entry(2)),
            ("1;2", InvalidList::Entry(1)),
            ("1 2", InvalidList::Entry(1)),
            ("1,,*", InvalidList::Entry(3)),
            ("18446744073709551616", InvalidList::Entry(1)),
        ] {
            assert_eq!(Allowed::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_list_of_an_account_replaces_the_list_for_all() {
        let settings = [
            ("ALLOWED_SYNCS", "1"),
            ("ALLOWED_SYNCS_EU", "2"),
            ("ALLOWED_SYNCS_US", " "),
            ("ALLOWED_SYNCS_WRONG", "demo"),
        ];
        let account = |name: &str| Account::read(name).unwrap();
        for settings in &Fixed::of_each_source(&settings) {
            for (name, allowed) in [(None, 1), (Some("eu"), 2), (Some("us"), 1), (Some("x"), 1)] {
                let list = Allowed::of(name.map(account).as_ref(), settings).unwrap();
                for id in [1, 2] {
                    let sync = SyncRef::Id(id.try_into().unwrap());
                    assert_eq!(
                        list.check_sync(&sync).is_ok(),
                        id == allowed,
                        "{name:?} {id}"
                    );
                }
            }
            let problem = Allowed::of(Some(&account("wrong")), settings).unwrap_err();
            assert_eq!((problem.status, problem.kind), (500, "not-configured"));
            let detail = detail(&problem);
            assert!(
                detail.contains("ALLOWED_SYNCS_WRONG is invalid: its entry 1 ")
                    && detail.ends_with("Nothing was sent to Hightouch.")
                    && !detail.contains("demo"),
                "{detail}"
            );
        }
        let none = Allowed::of(Some(&account("eu")), &Fixed::default()).unwrap();
        assert_eq!(none, Allowed::default());
    }

    #[test]
    fn each_forbidden_sync_is_named_as_far_as_the_message_can_be() {
        let allowed = Allowed::parse("1").unwrap();
        let refuse = |ids: &[u64]| {
            let syncs: Vec<SyncRef> = ids
                .iter()
                .map(|id| SyncRef::Id((*id).try_into().unwrap()))
                .collect();
            detail(&allowed.check_syncs(&syncs).unwrap_err())
        };
        assert_eq!(
            refuse(&[1, 2]),
            "The settings of this endpoint do not allow sync 2. No run was started. Nothing was \
             sent to Hightouch."
        );
        assert!(refuse(&[3, 1, 2]).contains("do not allow syncs 3, 2."));
        let many: Vec<u64> = (0..100).map(|id| u64::MAX - id).collect();
        let detail = refuse(&many);
        assert!(
            detail.contains("18446744073709551615, 18446744073709551614")
                && detail.contains(" and 65 more. No run")
                && detail.ends_with("Nothing was sent to Hightouch."),
            "{detail}"
        );
    }
}
