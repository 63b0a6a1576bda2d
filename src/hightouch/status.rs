//! Where runs stand, in the API's words.

use super::Timestamp;

/// Declares the statuses of one kind of run once: the variant, the word for it, and whether a run in it has ended.
macro_rules! statuses {
    ($(#[$about:meta])* $name:ident: $($(#[$doc:meta])* $variant:ident $word:literal ended $ended:literal,)*) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// A status that is not known, as it was written.
            Other(String),
        }

        impl $name {
            /// Every status that is known.
            pub const KNOWN: &[Self] = &[$(Self::$variant),*];

            /// The API's word for it.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }

            /// Reads the API's word, in whatever letter case.
            pub fn read(word: &str) -> Self {
                match word.trim_ascii() {
                    $(known if known.eq_ignore_ascii_case($word) => Self::$variant,)*
                    _ => Self::Other(word.into()),
                }
            }

            /// Whether a run in this status has ended. An unknown status alone does not say so.
            pub fn ended(&self) -> bool {
                match self {
                    $(Self::$variant => $ended,)*
                    Self::Other(_) => false,
                }
            }
        }
    };
}

statuses! {
    /// Where a run of a sync stands.
    RunStatus:
    /// Waits for its turn.
    Queued "queued" ended false,
    /// The warehouse query runs.
    Querying "querying" ended false,
    /// Rows go to the destination.
    Processing "processing" ended false,
    /// Results are being written down.
    Reporting "reporting" ended false,
    /// Ended well.
    Success "success" ended true,
    /// Ended; some rows were rejected.
    Warning "warning" ended true,
    /// Ended in failure.
    Failed "failed" ended true,
    /// Ended by a person.
    Cancelled "cancelled" ended true,
    /// Ended by Hightouch.
    Interrupted "interrupted" ended true,
}

statuses! {
    /// Where a run of a sequence stands.
    SequenceStatus:
    /// Waits for its turn.
    Pending "pending" ended false,
    /// Its syncs run.
    Running "running" ended false,
    /// Ended. How, its sync runs tell: they may hold warnings and failures.
    Done "done" ended true,
    /// Ended in failure.
    Failed "failed" ended true,
    /// Ended by a person.
    Cancelled "cancelled" ended true,
}

impl RunStatus {
    /// Whether a run in this status has ended, if this is its `finishedAt`: an unknown status with a time of the end is an end too.
    pub fn ended_at(&self, finished_at: Option<&str>) -> bool {
        let finished = finished_at
            .and_then(Timestamp::rfc3339)
            .is_some_and(|finished| finished.millis() > 0);
        self.ended() || matches!(self, Self::Other(_)) && finished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_reads_back_from_its_word() {
        for status in RunStatus::KNOWN {
            assert_eq!(&RunStatus::read(status.as_str()), status);
        }
        for status in SequenceStatus::KNOWN {
            assert_eq!(
                &SequenceStatus::read(&status.as_str().to_ascii_uppercase()),
                status
            );
        }
    }

    #[test]
    fn a_status_of_the_one_is_none_of_the_other() {
        assert!(!RunStatus::read("done").ended() && !SequenceStatus::read("success").ended());
    }
}
