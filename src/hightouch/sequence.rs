//! Runs of sequences, as `GET /sync-sequences/runs/{uuid}` tells of them.

use super::json::Json;
use super::run::WORD;
use super::{ReadError, RunId, RunStatus, SequenceRunId, SequenceStatus, SyncId};

/// One run of a sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceRun {
    /// `id`.
    pub id: SequenceRunId,
    /// `status`; empty where it is missing.
    pub status: SequenceStatus,
    /// `syncRuns`, in Hightouch's order; none where there is no such list.
    pub sync_runs: Vec<SyncRun>,
}

/// One entry of `syncRuns`. What is missing, null or of another type than the API promises is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRun {
    /// `syncId`.
    pub sync: Option<SyncId>,
    /// `syncRunId`.
    pub run: Option<RunId>,
    /// `status`; empty where it is missing.
    pub status: RunStatus,
    /// `finishedAt`, RFC 3339.
    pub finished_at: Option<String>,
}

impl SyncRun {
    /// Whether the run has ended: see [`Run::ended`](super::Run::ended).
    pub fn ended(&self) -> bool {
        self.status.ended_at(self.finished_at.as_deref())
    }
}

impl SequenceRun {
    /// The most sync runs that one run of a sequence can have.
    pub const MOST: usize = 1000;

    /// A run of which nothing is known but its ID.
    pub fn unseen(id: SequenceRunId) -> Self {
        Self {
            id,
            status: SequenceStatus::Pending,
            sync_runs: Vec::new(),
        }
    }

    /// Reads the answer that tells of a run. One that does not name the run is unreadable. Every entry of `syncRuns` counts, of whatever
    /// form it is: it may be the one that failed.
    pub fn read(body: &[u8]) -> Result<Self, ReadError> {
        let [id, status, list] = Json::check(body)?
            .fields(["id", "status", "syncRuns"])?
            .unwrap_or_default();
        let id = read_id(id)?;
        let mut sync_runs = Vec::new();
        for entry in list.and_then(Json::entries).into_iter().flatten() {
            if sync_runs.len() == Self::MOST {
                return Err(ReadError::TooManyJobs(Self::MOST));
            }
            sync_runs.push(read_sync_run(entry)?);
        }
        Ok(Self {
            id,
            status: SequenceStatus::read(&word(status).unwrap_or_default()),
            sync_runs,
        })
    }
}

fn read_sync_run(entry: Json<'_>) -> Result<SyncRun, ReadError> {
    let fields = entry.fields(["syncId", "syncRunId", "status", "finishedAt"])?;
    let [sync, run, status, finished] = fields.unwrap_or_default();
    Ok(SyncRun {
        sync: sync
            .and_then(Json::number)
            .and_then(|id| SyncId::try_from(id).ok()),
        run: run
            .and_then(Json::number)
            .and_then(|id| RunId::try_from(id).ok()),
        status: RunStatus::read(&word(status).unwrap_or_default()),
        finished_at: word(finished),
    })
}

fn word(field: Option<Json<'_>>) -> Option<String> {
    field.and_then(|field| field.text(WORD))
}

/// Reads the answer to a sequence's trigger, `{"id":"<uuid>"}`: the run that was started, queued, or going already.
pub fn read_sequence_trigger(body: &[u8]) -> Result<SequenceRunId, ReadError> {
    let [id] = Json::check(body)?.fields(["id"])?.unwrap_or_default();
    read_id(id)
}

fn read_id(field: Option<Json<'_>>) -> Result<SequenceRunId, ReadError> {
    word(field)
        .and_then(|id| id.trim_ascii().parse().ok())
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
    fn what_is_missing_or_of_another_type_breaks_nothing_and_every_entry_counts() {
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
    fn without_a_uuid_the_answer_is_unreadable() {
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
            Err(ReadError::Twice("status"))
        );
        assert_eq!(
            read_sequence_trigger(RECORDED.as_bytes()).unwrap().as_str(),
            UUID
        );
    }

    #[test]
    fn a_list_without_end_is_not_kept() {
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
