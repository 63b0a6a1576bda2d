//! The operation that a method and a path select.

use crate::endpoint::response::problem::Problem;
use crate::hightouch::{RunRef, SequenceId, SequenceRunId, SyncRef};

/// The operation of a request.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::endpoint) enum Route {
    /// `GET /`
    Page,
    /// `GET /healthz`
    Health,
    /// `GET /openapi.json`
    OpenApi,
    /// `POST /syncs/{sync}/runs`
    Run(SyncRef),
    /// `POST /runs`
    RunBatch,
    /// `GET /syncs/{sync}/runs`
    ListRuns(SyncRef),
    /// `GET /syncs/{syncId}/runs/{runId}`
    Await(RunRef),
    /// `POST /sync-sequences/{sequenceId}/runs`
    RunSequence(SequenceId),
    /// `GET /sync-sequences/runs/{runId}`
    AwaitSequence(SequenceRunId),
    /// `POST /hooks/dbt/{sync}`
    DbtHook(SyncRef),
}

impl Route {
    /// Returns the name of the operation in the log.
    pub(in crate::endpoint) fn name(&self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Health => "health",
            Self::OpenApi => "openapi",
            Self::Run(_) => "run",
            Self::RunBatch => "run-several",
            Self::ListRuns(_) => "list-runs",
            Self::Await(_) => "await",
            Self::RunSequence(_) => "run-sequence",
            Self::AwaitSequence(_) => "await-sequence",
            Self::DbtHook(_) => "dbt-hook",
        }
    }

    /// Selects the operation. `HEAD` selects the same as `GET`.
    ///
    /// # Errors
    ///
    /// Returns a problem if the path does not exist, if it does not allow the method, or if an ID
    /// or a slug in it is invalid.
    pub(in crate::endpoint) fn of(method: &str, path: &str) -> Result<Self, Problem> {
        let mut segments = path.strip_prefix('/').unwrap_or(path).split('/');
        let parts = (
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
        );
        match parts {
            (Some(""), None, ..) => allow_read(method).map(|()| Self::Page),
            (Some("healthz"), None, ..) => allow_read(method).map(|()| Self::Health),
            (Some("openapi.json"), None, ..) => allow_read(method).map(|()| Self::OpenApi),
            (Some("runs"), None, ..) => allow(method, "POST").map(|()| Self::RunBatch),
            (Some("syncs"), Some(sync), Some("runs"), None, _) => {
                allow(method, "GET, HEAD, POST")?;
                let sync = sync.parse().map_err(Problem::invalid)?;
                Ok(match method {
                    "POST" => Self::Run(sync),
                    _ => Self::ListRuns(sync),
                })
            }
            (Some("syncs"), Some(sync), Some("runs"), Some(run), None) => {
                allow_read(method)?;
                let sync = sync.parse().map_err(Problem::invalid)?;
                let run = run.parse().map_err(Problem::invalid)?;
                Ok(Self::Await(RunRef { sync, run }))
            }
            (Some("sync-sequences"), Some("runs"), Some(run), None, _) => {
                allow_read(method)?;
                run.parse()
                    .map(Self::AwaitSequence)
                    .map_err(Problem::invalid)
            }
            (Some("sync-sequences"), Some(sequence), Some("runs"), None, _) => {
                allow(method, "POST")?;
                sequence
                    .parse()
                    .map(Self::RunSequence)
                    .map_err(Problem::invalid)
            }
            (Some("hooks"), Some("dbt"), Some(sync), None, _) => {
                allow(method, "POST")?;
                sync.parse().map(Self::DbtHook).map_err(Problem::invalid)
            }
            _ => Err(Problem::no_such_path()),
        }
    }
}

fn allow_read(method: &str) -> Result<(), Problem> {
    allow(method, "GET, HEAD")
}

fn allow(method: &str, allowed: &'static str) -> Result<(), Problem> {
    let is_allowed = allowed.split(',').any(|one| one.trim_ascii() == method);
    if is_allowed {
        Ok(())
    } else {
        Err(Problem::method_not_allowed(allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: &str, path: &str) -> Option<u16> {
        Route::of(method, path).err().map(|problem| problem.status)
    }

    #[test]
    fn each_path_has_its_methods_and_nothing_else_is_a_path() {
        assert_eq!(Route::of("GET", "/").ok(), Some(Route::Page));
        assert_eq!(Route::of("GET", "/healthz").ok(), Some(Route::Health));
        assert_eq!(
            Route::of("HEAD", "/openapi.json").ok(),
            Some(Route::OpenApi)
        );
        for (method, path) in [
            ("HEAD", "/"),
            ("HEAD", "/healthz"),
            ("POST", "/syncs/1/runs"),
            ("POST", "/syncs/demo/runs"),
            ("GET", "/syncs/1/runs"),
            ("HEAD", "/syncs/demo/runs"),
            ("GET", "/syncs/1/runs/2"),
            ("POST", "/hooks/dbt/1"),
            ("POST", "/hooks/dbt/demo"),
        ] {
            assert_eq!(status(method, path), None, "{method} {path}");
        }
        for (method, path) in [
            ("POST", "/"),
            ("POST", "/healthz"),
            ("PUT", "/syncs/1/runs"),
            ("DELETE", "/syncs/1/runs/2"),
            ("GET", "/hooks/dbt/1"),
            ("get", "/healthz"),
        ] {
            assert_eq!(status(method, path), Some(405), "{method} {path}");
        }
        for path in [
            "//",
            "/healthz/",
            "/syncs",
            "/syncs/1",
            "/syncs/1/runs/",
            "/syncs/1/runs/2/3",
            "//healthz",
            "/hooks",
            "/hooks/dbt",
            "/hooks/other/1",
            "/hooks/dbt/1/2",
        ] {
            let expected = if path == "/syncs/1/runs/" { 400 } else { 404 };
            assert_eq!(status("GET", path), Some(expected), "{path}");
        }
    }

    #[test]
    fn invalid_ids_and_slugs_are_rejected() {
        for path in [
            "/syncs/0/runs",
            "/syncs//runs",
            "/syncs/a%2Fb/runs",
            "/syncs/a b/runs",
            "/syncs/99999999999999999999/runs",
            "/hooks/dbt/0",
            "/hooks/dbt/",
            "/hooks/dbt/a%2Fb",
        ] {
            assert_eq!(status("POST", path), Some(400), "{path}");
        }
        for path in [
            "/syncs/0/runs/1",
            "/syncs/1/runs/0",
            "/syncs/demo/runs/1",
            "/syncs/1/runs/1a",
            "/syncs/1/runs/-1",
        ] {
            assert_eq!(status("GET", path), Some(400), "{path}");
        }
    }

    #[test]
    fn sequences_and_their_runs_are_named_by_uuids() {
        let uuid = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";
        let (start, poll) = (
            format!("/sync-sequences/{uuid}/runs"),
            format!("/sync-sequences/runs/{uuid}"),
        );
        assert_eq!(
            Route::of("POST", &start).ok(),
            uuid.parse().map(Route::RunSequence).ok()
        );
        assert_eq!(
            Route::of("GET", &poll).ok(),
            uuid.parse().map(Route::AwaitSequence).ok()
        );
        assert_eq!(
            (status("GET", &start), status("POST", &poll)),
            (Some(405), Some(405))
        );
        for name in [
            "1",
            "demo",
            "",
            "runs",
            "0cb7da35-1fff-4d4a-bf1b-6534d515e5b",
            "0cb7da35-1fff-4d4a-bf1b-6534d515e5%2f",
        ] {
            let expected = if name == "runs" { 405 } else { 400 };
            assert_eq!(
                status("POST", &format!("/sync-sequences/{name}/runs")),
                Some(expected),
                "{name}"
            );
            assert_eq!(
                status("GET", &format!("/sync-sequences/runs/{name}")),
                Some(400),
                "{name}"
            );
        }
        for path in [
            "/sync-sequences",
            "/sync-sequences/runs",
            &format!("{start}/{uuid}"),
            &format!("{poll}/runs"),
        ] {
            assert_eq!(status("GET", path), Some(404), "{path}");
        }
    }
}
