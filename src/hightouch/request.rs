//! The requests this project sends.

use super::{BASE_PATH, PAGE, Resync, RunId, SequenceId, SequenceRunId, Slug, SyncId};

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads; may be repeated.
    Get,
    /// Starts something; may not.
    Post,
}

/// A request, less what the connection adds: the origin and the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// A JSON body.
    pub body: Option<String>,
}

impl Request {
    /// `POST /syncs/{syncId}/trigger`: starts a run. Never repeat it unless it is known that no run came of it.
    pub fn trigger(sync: SyncId, resync: Resync) -> Self {
        Self {
            method: Method::Post,
            target: format!("{BASE_PATH}/syncs/{sync}/trigger"),
            body: resync.to_json(),
        }
    }

    /// `GET /syncs/{syncId}/runs?runId=…`: one run, up to `limit` entries from the `offset`th on.
    pub fn run(sync: SyncId, run: RunId, offset: usize, limit: usize) -> Self {
        Self::list(format!("/syncs/{sync}/runs?runId={run}"), offset, limit)
    }

    /// `GET /syncs/{syncId}/runs`: up to `limit` runs of a sync in the order of their IDs, either way, from the `offset`th entry on. Not
    /// narrowed by `within` or `after`: these filter by when a run started, and a queued run has not.
    pub fn runs(sync: SyncId, offset: usize, limit: usize) -> Self {
        Self::get(format!("/syncs/{sync}/runs?limit={limit}"), offset)
    }

    /// `GET /syncs?slug=…`: the syncs with this slug, at most one. Up to `limit` entries from the `offset`th on.
    pub fn syncs_with_slug(slug: &Slug, offset: usize, limit: usize) -> Self {
        Self::list(format!("/syncs?slug={}", slug.as_str()), offset, limit)
    }

    /// `POST /sync-sequences/{uuid}/trigger`: starts a run of a sequence. Never repeat it unless it is known that no run came of it.
    pub fn trigger_sequence(sequence: &SequenceId) -> Self {
        Self {
            method: Method::Post,
            target: format!("{BASE_PATH}/sync-sequences/{sequence}/trigger"),
            body: None,
        }
    }

    /// `GET /sync-sequences/runs/{uuid}`: one run of a sequence.
    pub fn sequence_run(run: &SequenceRunId) -> Self {
        Self::get(format!("/sync-sequences/runs/{run}"), 0)
    }

    /// A list whose page size is asked for only if it is not Hightouch's own.
    fn list(mut target: String, offset: usize, limit: usize) -> Self {
        if limit != PAGE {
            target += &format!("&limit={limit}");
        }
        Self::get(target, offset)
    }

    fn get(target: String, offset: usize) -> Self {
        let mut target = format!("{BASE_PATH}{target}");
        if offset > 0 {
            // The order that Hightouch keeps to by default, asked for by name where pages depend on it.
            target += &format!("&orderBy=id&offset={offset}");
        }
        Self {
            method: Method::Get,
            target,
            body: None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_are_spelled_as_the_api_has_them() {
        let (sync, run) = (SyncId::try_from(7).unwrap(), RunId::try_from(42).unwrap());
        let plain = Request::trigger(sync, Resync::default());
        assert_eq!(
            (plain.method, plain.target.as_str(), plain.body),
            (Method::Post, "/api/v1/syncs/7/trigger", None)
        );
        let full = Request::trigger(
            sync,
            Resync {
                full: true,
                reset_cdc: false,
                clear_and_fill: true,
            },
        );
        assert_eq!(
            full.body.as_deref(),
            Some(r#"{"fullResync":true,"clearAndFill":true}"#)
        );
        assert_eq!(
            Request::run(sync, run, 0, PAGE).target,
            "/api/v1/syncs/7/runs?runId=42"
        );
        assert_eq!(
            Request::run(sync, run, 100, PAGE).target,
            "/api/v1/syncs/7/runs?runId=42&orderBy=id&offset=100"
        );
        assert_eq!(
            Request::runs(sync, 0, PAGE).target,
            "/api/v1/syncs/7/runs?limit=100"
        );
        assert_eq!(
            Request::runs(sync, 100, PAGE).target,
            "/api/v1/syncs/7/runs?limit=100&orderBy=id&offset=100"
        );
        assert_eq!(
            Request::run(sync, run, 3, 20).target,
            "/api/v1/syncs/7/runs?runId=42&limit=20&orderBy=id&offset=3"
        );
        let uuid = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";
        let sequence = Request::trigger_sequence(&uuid.parse().unwrap());
        assert_eq!((sequence.method, sequence.body), (Method::Post, None));
        assert_eq!(
            sequence.target,
            format!("/api/v1/sync-sequences/{uuid}/trigger")
        );
        let run = Request::sequence_run(&uuid.parse().unwrap());
        assert_eq!(
            (run.method, run.target),
            (Method::Get, format!("/api/v1/sync-sequences/runs/{uuid}"))
        );
        assert_eq!(
            Request::syncs_with_slug(&"demo".parse().unwrap(), 0, PAGE).target,
            "/api/v1/syncs?slug=demo"
        );
    }
}
