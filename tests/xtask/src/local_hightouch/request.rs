//! Parsed requests.

/// A received request with the headers that the server uses.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) authorization: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) body: String,
}

/// The calls that the server implements. IDs are kept as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call<'a> {
    ListSyncs,
    GetSync(&'a str),
    ListRuns(&'a str),
    Trigger(&'a str),
    TriggerByIdOrSlug,
    GetDestination(&'a str),
    GetModel(&'a str),
    GetSource(&'a str),
    TriggerSequence(&'a str),
    GetSequenceRun(&'a str),
}

impl<'a> Call<'a> {
    /// Returns the call at `path` below the API's base path, or `None` if there is none.
    pub(super) fn of(method: &str, path: &'a str) -> Option<Self> {
        let segments: Vec<_> = path.trim_matches('/').split('/').collect();
        Some(match (method, segments.as_slice()) {
            ("GET", ["syncs"]) => Self::ListSyncs,
            ("POST", ["syncs", "trigger"]) => Self::TriggerByIdOrSlug,
            ("GET", ["syncs", id]) => Self::GetSync(id),
            ("GET", ["syncs", id, "runs"]) => Self::ListRuns(id),
            ("POST", ["syncs", id, "trigger"]) => Self::Trigger(id),
            ("GET", ["destinations", id]) => Self::GetDestination(id),
            ("GET", ["models", id]) => Self::GetModel(id),
            ("GET", ["sources", id]) => Self::GetSource(id),
            ("GET", ["sync-sequences", "runs", id]) => Self::GetSequenceRun(id),
            ("POST", ["sync-sequences", id, "trigger"]) => Self::TriggerSequence(id),
            _ => return None,
        })
    }

    /// Returns whether the call starts a run.
    pub(super) fn triggers(self) -> bool {
        matches!(
            self,
            Self::Trigger(_) | Self::TriggerByIdOrSlug | Self::TriggerSequence(_)
        )
    }

    /// Returns whether the call reads a run's status.
    pub(super) fn polls(self) -> bool {
        matches!(self, Self::ListRuns(_) | Self::GetSequenceRun(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trigger_by_slug_is_not_a_sync_called_trigger() {
        assert_eq!(
            Call::of("POST", "/syncs/trigger"),
            Some(Call::TriggerByIdOrSlug)
        );
        assert_eq!(
            Call::of("POST", "/syncs/1/trigger"),
            Some(Call::Trigger("1"))
        );
        assert_eq!(Call::of("POST", "/syncs/1/runs"), None);
        assert_eq!(Call::of("GET", "/syncs/1/trigger"), None);
    }
}
