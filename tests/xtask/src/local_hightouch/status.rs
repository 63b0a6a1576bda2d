//! The statuses of a run.

use std::fmt;

/// The status of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Waits in the queue.
    Queued,
    /// Queries the warehouse.
    Querying,
    /// Sends rows to the destination.
    Processing,
    /// Writes a report of rejected rows.
    Reporting,
    /// Ended successfully.
    Success,
    /// Ended, with some rows rejected.
    Warning,
    /// Ended with an error.
    Failed,
    /// Ended by a user's cancellation.
    Cancelled,
    /// Ended because Hightouch stopped it.
    Interrupted,
    /// In progress, with a status that the API did not have when this was written.
    Other(&'static str),
    /// Ended, with a status that the API did not have when this was written.
    OtherEnd(&'static str),
}

impl Status {
    /// Returns the name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Querying => "querying",
            Self::Processing => "processing",
            Self::Reporting => "reporting",
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Other(name) | Self::OtherEnd(name) => name,
        }
    }

    /// Returns whether a run with this status has ended.
    pub fn has_ended(self) -> bool {
        match self {
            Self::Success
            | Self::Warning
            | Self::Failed
            | Self::Cancelled
            | Self::Interrupted
            | Self::OtherEnd(_) => true,
            Self::Queued | Self::Querying | Self::Processing | Self::Reporting | Self::Other(_) => {
                false
            }
        }
    }

    /// Returns whether the warehouse has responded, so that the rows to send are known.
    pub(super) fn knows_rows(self) -> bool {
        !matches!(self, Self::Queued | Self::Querying)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
