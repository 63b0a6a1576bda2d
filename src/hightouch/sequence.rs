//! Runs of sequences, as `GET /sync-sequences/runs/{uuid}` returns them.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use serde_json::value::RawValue;

use super::{ReadError, RunId, RunStatus, SequenceRunId, SequenceStatus, SyncId, lenient};

/// One run of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceRun {
    /// `id`.
    pub id: SequenceRunId,
    /// `status`; empty if it is missing.
    pub status: SequenceStatus,
    /// `syncRuns`, in Hightouch's order; empty if there is no such list.
    pub sync_runs: Vec<SyncRun>,
}

/// One entry of `syncRuns`. A field is `None` if it is missing, null, or of a type other than the
/// one that the API documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SyncRun {
    /// `syncId`.
    #[serde(rename = "syncId", deserialize_with = "lenient::id")]
    pub sync: Option<SyncId>,
    /// `syncRunId`.
    #[serde(rename = "syncRunId", deserialize_with = "lenient::id")]
    pub run: Option<RunId>,
    /// `status`; empty if it is missing.
    pub status: RunStatus,
    /// `finishedAt`, in RFC 3339.
    #[serde(rename = "finishedAt", deserialize_with = "lenient::short_text")]
    pub finished_at: Option<String>,
}

impl SyncRun {
    /// Whether the run has ended: see [`Run::ended`](super::Run::ended).
    pub fn ended(&self) -> bool {
        self.status.ended_at(self.finished_at.as_deref())
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Fields {
    #[serde(deserialize_with = "lenient::uuid")]
    id: Option<SequenceRunId>,
    status: SequenceStatus,
    #[serde(deserialize_with = "sync_runs")]
    sync_runs: Vec<SyncRun>,
}

/// Reads `syncRuns` for `deserialize_with`; any value but a list counts as an empty one. An entry
/// that cannot be read is an entry without fields. If a list is too long, one entry more than the
/// maximum is kept, so that the caller can detect it.
fn sync_runs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SyncRun>, D::Error> {
    let mut runs: Vec<SyncRun> = Vec::new();
    lenient::for_each_entry(<&RawValue>::deserialize(deserializer)?, |entry| {
        if runs.len() <= SequenceRun::MAX_SYNC_RUNS {
            runs.push(lenient::read_nested(entry)?.unwrap_or_default());
        }
        Ok(())
    })
    .map_err(D::Error::custom)?;
    Ok(runs)
}

impl SequenceRun {
    /// Maximum number of sync runs in one run of a sequence. Hightouch documents no maximum; this
    /// one bounds the memory.
    pub const MAX_SYNC_RUNS: usize = 1000;

    /// Returns a run of which only the ID is known.
    pub fn with_id(id: SequenceRunId) -> Self {
        Self {
            id,
            status: SequenceStatus::Pending,
            sync_runs: Vec::new(),
        }
    }

    /// Reads the response that describes a run. Every entry of `syncRuns` counts, even an
    /// unreadable one: it may be the sync run that failed.
    ///
    /// # Errors
    /// The body is not JSON, has no usable `id`, has a field twice, or has more than
    /// [`MAX_SYNC_RUNS`](Self::MAX_SYNC_RUNS) sync runs.
    pub fn read(body: &[u8]) -> Result<Self, ReadError> {
        let fields: Fields = lenient::read_object(body)?.unwrap_or_default();
        let id = fields.id.ok_or(ReadError::Missing("id"))?;
        if fields.sync_runs.len() > Self::MAX_SYNC_RUNS {
            return Err(ReadError::TooManyJobs(Self::MAX_SYNC_RUNS));
        }
        Ok(Self {
            id,
            status: fields.status,
            sync_runs: fields.sync_runs,
        })
    }
}

/// Reads the response to a sequence's trigger, `{"id":"<uuid>"}`, and returns the ID of the run.
/// Hightouch may have started or queued that run, or it may have been running before.
///
/// # Errors
/// The body is not JSON, or does not have exactly one usable `id`.
pub fn read_sequence_trigger(body: &[u8]) -> Result<SequenceRunId, ReadError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Fields {
        #[serde(deserialize_with = "lenient::uuid")]
        id: Option<SequenceRunId>,
    }
    lenient::read_object(body)?
        .and_then(|Fields { id }| id)
        .ok_or(ReadError::Missing("id"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    const UUID: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";
    const RECORDED: &str = r#"{"id":"0cb7da35-1fff-4d4a-bf1b-6534d515e5b5","status":"done","syncRuns":[{"syncId":3093,"status":"success","finishedAt":"2023-10-17T11:06:01.713+00:00","syncRunId":6134},{"syncId":1960,"status":"warning","finishedAt":"2023-10-17T11:06:10.567+00:00","syncRunId":6148}]}"#;

    fn sync_run(sync: u64, run: u64, status: RunStatus, finished_at: &str) -> SyncRun {
        SyncRun {
            sync: SyncId::try_from(sync).ok(),
            run: RunId::try_from(run).ok(),
            status,
            finished_at: Some(finished_at.into()),
        }
    }

    #[test]
    fn a_recorded_run_is_read_whole() {
        let run = SequenceRun::read(RECORDED.as_bytes()).unwrap();
        assert_eq!((run.id.as_str(), run.status), (UUID, SequenceStatus::Done));
        assert_eq!(
            run.sync_runs,
            [
                sync_run(
                    3093,
                    6134,
                    RunStatus::Success,
                    "2023-10-17T11:06:01.713+00:00"
                ),
                sync_run(
                    1960,
                    6148,
                    RunStatus::Warning,
                    "2023-10-17T11:06:10.567+00:00"
                ),
            ]
        );
    }

    #[test]
    fn missing_fields_and_wrong_types_are_ignored_and_every_entry_counts() {
        let body = format!(
            r#"{{"new":[{{}}],"status":"RUNNING","id":"{UUID}",
                "syncRuns":[{{"syncId":"7","syncRunId":null,"status":"Queued","x":1}},{{}},null,7,[],
                            {{"syncId":-1,"syncRunId":0,"status":7,"finishedAt":3}}]}}"#
        );
        let run = SequenceRun::read(body.as_bytes()).unwrap();
        assert_eq!(
            (run.status, run.sync_runs.len()),
            (SequenceStatus::Running, 6)
        );
        assert_eq!(run.sync_runs[0].sync, SyncId::try_from(7).ok());
        assert_eq!(
            (&run.sync_runs[0].run, &run.sync_runs[0].status),
            (&None, &RunStatus::Queued)
        );
        for entry in &run.sync_runs[1..] {
            assert!(
                entry.sync.is_none() && entry.run.is_none() && !entry.status.ended(),
                "{entry:?}"
            );
        }
        for list in [
            "",
            r#","syncRuns":null"#,
            r#","syncRuns":{}"#,
            r#","syncRuns":[]"#,
        ] {
            let run = SequenceRun::read(format!(r#"{{"id":"{UUID}"{list}}}"#).as_bytes()).unwrap();
            assert!(run.sync_runs.is_empty() && !run.status.ended(), "{list}");
        }
    }

    #[test]
    fn without_a_uuid_the_response_is_unreadable() {
        for body in [
            "",
            "{",
            "null",
            "[]",
            "{}",
            r#"{"id":null,"status":"done"}"#,
            r#"{"id":42,"status":"done"}"#,
            r#"{"id":"42"}"#,
            r#"{"message":"Validation failed","details":{}}"#,
            "<html>",
        ] {
            assert!(SequenceRun::read(body.as_bytes()).is_err(), "{body}");
            assert!(read_sequence_trigger(body.as_bytes()).is_err(), "{body}");
        }
        let twice = format!(r#"{{"id":"{UUID}","status":"running","status":"done"}}"#);
        assert_eq!(
            SequenceRun::read(twice.as_bytes()),
            Err(ReadError::Duplicate("status".into()))
        );
        assert_eq!(
            read_sequence_trigger(RECORDED.as_bytes()).unwrap().as_str(),
            UUID
        );
    }

    #[test]
    fn a_list_that_is_too_long_is_an_error() {
        let entries = |count: usize| {
            format!(
                r#"{{"id":"{UUID}","syncRuns":[{}{{}}]}}"#,
                "{},".repeat(count - 1)
            )
        };
        assert_eq!(
            SequenceRun::read(entries(1000).as_bytes())
                .unwrap()
                .sync_runs
                .len(),
            1000
        );
        assert_eq!(
            SequenceRun::read(entries(1001).as_bytes()),
            Err(ReadError::TooManyJobs(1000))
        );
    }
}
