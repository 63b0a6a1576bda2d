//! The requests that this project sends.

use super::{
    BASE_PATH, DestinationId, MAX_PAGE_ENTRIES, Resync, RunId, SequenceId, SequenceRunId, Slug,
    SyncId,
};

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads data. The request may be repeated.
    Get,
    /// Starts a run. The request must not be repeated without proof that it started none.
    Post,
}

/// A request without the parts that the connection adds: the origin and the API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// The path and the query.
    pub target: String,
    /// The body, in JSON.
    pub body: Option<String>,
}

impl Request {
    /// `POST /syncs/{syncId}/trigger`: starts a run. It must not be repeated without proof that it
    /// started none.
    pub fn trigger(sync: SyncId, resync: Resync) -> Self {
        Self {
            method: Method::Post,
            target: format!("{BASE_PATH}/syncs/{sync}/trigger"),
            body: resync.to_json(),
        }
    }

    /// `GET /syncs/{syncId}/runs?runId=…`: one run. The page has at most `limit` entries and begins
    /// after the first `offset` entries.
    pub fn run(sync: SyncId, run: RunId, offset: usize, limit: usize) -> Self {
        Self::list(format!("/syncs/{sync}/runs?runId={run}"), offset, limit)
    }

    /// `GET /syncs/{syncId}/runs`: the runs of a sync in ascending or descending order of their
    /// IDs. The page has at most `limit` entries and begins after the first `offset` entries. The
    /// parameters `within` and `after` are not used: they filter by the start of a run, and a
    /// queued run has not started.
    pub fn runs(sync: SyncId, offset: usize, limit: usize) -> Self {
        Self::get(format!("/syncs/{sync}/runs?limit={limit}"), offset)
    }

    /// `GET /syncs?slug=…`: the syncs with this slug, of which there is at most one. The page has
    /// at most `limit` entries and begins after the first `offset` entries.
    pub fn syncs_with_slug(slug: &Slug, offset: usize, limit: usize) -> Self {
        Self::list(format!("/syncs?slug={}", slug.as_str()), offset, limit)
    }

    /// `GET /syncs/{syncId}`: the sync itself.
    pub fn sync(sync: SyncId) -> Self {
        Self::get(format!("/syncs/{sync}"), 0)
    }

    /// `GET /destinations/{destinationId}`: one destination.
    pub fn destination(destination: DestinationId) -> Self {
        Self::get(format!("/destinations/{destination}"), 0)
    }

    /// `POST /sync-sequences/{uuid}/trigger`: starts a run of a sequence. It must not be repeated
    /// without proof that it started none.
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

    /// Returns the request for a page of a list. `limit` is sent only if it differs from
    /// Hightouch's default.
    fn list(mut target: String, offset: usize, limit: usize) -> Self {
        if limit != MAX_PAGE_ENTRIES {
            target += &format!("&limit={limit}");
        }
        Self::get(target, offset)
    }

    fn get(target: String, offset: usize) -> Self {
        let mut target = format!("{BASE_PATH}{target}");
        if offset > 0 {
            // This is Hightouch's default order. It is requested because the offset depends on it.
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
    fn requests_have_the_form_of_the_api() {
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
            Request::run(sync, run, 0, MAX_PAGE_ENTRIES).target,
            "/api/v1/syncs/7/runs?runId=42"
        );
        assert_eq!(
            Request::run(sync, run, 100, MAX_PAGE_ENTRIES).target,
            "/api/v1/syncs/7/runs?runId=42&orderBy=id&offset=100"
        );
        assert_eq!(
            Request::runs(sync, 0, MAX_PAGE_ENTRIES).target,
            "/api/v1/syncs/7/runs?limit=100"
        );
        assert_eq!(
            Request::runs(sync, 100, MAX_PAGE_ENTRIES).target,
            "/api/v1/syncs/7/runs?limit=100&orderBy=id&offset=100"
        );
        assert_eq!(
            Request::run(sync, run, 3, 20).target,
            "/api/v1/syncs/7/runs?runId=42&limit=20&orderBy=id&offset=3"
        );
        assert_eq!(Request::sync(sync).target, "/api/v1/syncs/7");
        assert_eq!(
            Request::destination(DestinationId::try_from(3).unwrap()).target,
            "/api/v1/destinations/3"
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
            Request::syncs_with_slug(&"demo".parse().unwrap(), 0, MAX_PAGE_ENTRIES).target,
            "/api/v1/syncs?slug=demo"
        );
    }
}
