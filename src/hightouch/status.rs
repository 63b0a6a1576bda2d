//! The statuses of runs.

use serde::de::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Timestamp;
use super::lenient::{self, MAX_SHORT_TEXT_LEN};

/// Declares the statuses of one kind of run: for each the variant, the API's name, and whether a
/// run with this status has ended.
macro_rules! statuses {
    ($(#[$about:meta])* $name:ident: $($(#[$doc:meta])* $variant:ident $name_in_api:literal ended $ended:literal,)*) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// An unknown status, as Hightouch wrote it.
            Other(String),
        }

        impl $name {
            /// Every known status.
            pub const KNOWN: &[Self] = &[$(Self::$variant),*];

            /// Returns the API's name of the status.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name_in_api,)*
                    Self::Other(name) => name,
                }
            }

            /// Reads the API's name of a status, in any letter case and with blanks around it.
            pub fn read(name: &str) -> Self {
                match name.trim_ascii() {
                    $(known if known.eq_ignore_ascii_case($name_in_api) => Self::$variant,)*
                    _ => Self::Other(name.into()),
                }
            }

            /// Whether a run with this status has ended. It is false for an unknown status.
            pub fn ended(&self) -> bool {
                match self {
                    $(Self::$variant => $ended,)*
                    Self::Other(_) => false,
                }
            }
        }

        /// The status of a run that has none.
        impl Default for $name {
            fn default() -> Self {
                Self::Other(String::new())
            }
        }

        /// Any value but a string counts as missing.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = <&RawValue>::deserialize(deserializer)?;
                let name = lenient::as_text(value, MAX_SHORT_TEXT_LEN);
                Ok(Self::read(&name.unwrap_or_default()))
            }
        }
    };
}

statuses! {
    /// The status of a run of a sync.
    RunStatus:
    /// The run is queued.
    Queued "queued" ended false,
    /// The warehouse query is running.
    Querying "querying" ended false,
    /// Rows are being sent to the destination.
    Processing "processing" ended false,
    /// Results are being recorded.
    Reporting "reporting" ended false,
    /// The run succeeded.
    Success "success" ended true,
    /// The run ended, and the destination rejected some rows.
    Warning "warning" ended true,
    /// The run failed.
    Failed "failed" ended true,
    /// A user cancelled the run.
    Cancelled "cancelled" ended true,
    /// Hightouch interrupted the run.
    Interrupted "interrupted" ended true,
}

statuses! {
    /// The status of a run of a sequence.
    SequenceStatus:
    /// The run is queued.
    Pending "pending" ended false,
    /// The syncs of the sequence are running.
    Running "running" ended false,
    /// The run ended. Its sync runs may have ended with warnings or failures.
    Done "done" ended true,
    /// The run failed.
    Failed "failed" ended true,
    /// A user cancelled the run.
    Cancelled "cancelled" ended true,
}

impl RunStatus {
    /// Whether a run with this status and this `finishedAt` has ended. A run with an unknown status
    /// has ended if it has a `finishedAt` after 1970.
    pub fn ended_at(&self, finished_at: Option<&str>) -> bool {
        match self {
            Self::Other(_) => finished_at
                .and_then(Timestamp::rfc3339)
                .is_some_and(|finished| finished.millis() > 0),
            known => known.ended(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_read_from_its_name() {
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
    fn sync_runs_and_sequence_runs_do_not_share_final_statuses() {
        assert!(!RunStatus::read("done").ended() && !SequenceStatus::read("success").ended());
    }
}
