//! The statuses of a run.

use std::fmt;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Waits for its turn.
    Queued,
    /// Reads the warehouse.
    Querying,
    /// Sends rows to the destination.
    Processing,
    /// Writes up which rows were rejected.
    Reporting,
    /// Ended, and all went well.
    Success,
    /// Ended, and some rows were rejected.
    Warning,
    /// Ended with an error.
    Failed,
    /// Ended because somebody cancelled it.
    Cancelled,
    /// Ended because Hightouch stopped it.
    Interrupted,
    /// Goes on, under a name that the API did not have when this was written.
    Other(&'static str),
    /// Ended, under a name that the API did not have when this was written.
    OtherEnd(&'static str),
}

impl Status {
    /// The name on the wire.
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

    /// Whether a run in this status has ended.
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

    /// Whether the warehouse has answered by now, so that the rows to send are known.
    pub(super) fn knows_rows(self) -> bool {
        !matches!(self, Self::Queued | Self::Querying)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
