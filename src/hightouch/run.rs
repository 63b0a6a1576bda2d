//! Runs, as `GET /syncs/{syncId}/runs` lists them.

use super::error::text_of;
use super::json::{Json, beginning};
use super::page::{Page, read_page};
use super::{ReadError, RunId, RunStatus};

/// The most of a word or a time, which no word or time comes near.
pub(super) const WORD: usize = 128;

/// Rows by what happens to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// `addedCount`.
    pub added: u64,
    /// `changedCount`.
    pub changed: u64,
    /// `removedCount`.
    pub removed: u64,
}

/// A finite number, as Hightouch wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratio {
    pub(super) value: f64,
    pub(super) written: String,
}

impl Ratio {
    fn read(json: Json<'_>) -> Option<Self> {
        let (value, written) = json.real()?;
        (written.len() <= WORD).then_some(Self { value, written })
    }

    /// The number.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// How it was written, which is how JSON writes numbers.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

/// One entry of a list of runs. What is missing, null or of another type than the API promises is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// `id`.
    pub id: RunId,
    /// `status`; empty where it is missing.
    pub status: RunStatus,
    /// `error`: free text of Hightouch or of the destination, at most 16 KiB.
    pub error: Option<String>,
    /// `createdAt`, RFC 3339. Before `startedAt` where the run waited in the queue.
    pub created_at: Option<String>,
    /// `startedAt`, RFC 3339.
    pub started_at: Option<String>,
    /// `finishedAt`, RFC 3339.
    pub finished_at: Option<String>,
    /// `querySize`: how many rows the model's query returned.
    pub query_size: Option<u64>,
    /// `completionRatio`, a hint: a run can end in success at 0.54.
    pub completion_ratio: Option<Ratio>,
    /// `plannedRows`.
    pub planned_rows: Option<RowCounts>,
    /// `successfulRows`.
    pub successful_rows: Option<RowCounts>,
    /// `failedRows`.
    pub failed_rows: Option<RowCounts>,
}

/// What a page of runs was, less its entries.
pub type RunsPage = Page;

impl Run {
    /// Reads a page of runs and hands over each entry that has an ID; one without cannot be the run that anyone looks for.
    /// After an error, what was handed over counts for nothing.
    pub fn read_page(body: &[u8], each: &mut dyn FnMut(Self)) -> Result<RunsPage, ReadError> {
        let mut unreadable = 0;
        let page = read_page(body, &mut |entry| {
            match read_run(entry)? {
                Some(run) => each(run),
                None => unreadable += 1,
            }
            Ok(())
        })?;
        Ok(Page { unreadable, ..page })
    }

    /// Whether the run has ended: its status says so, or its status is not a known one and it has a time of its end.
    pub fn ended(&self) -> bool {
        self.status.ended_at(self.finished_at.as_deref())
    }

    /// Cuts the error text to at most so many bytes, and says how many are left of it.
    pub fn shorten_error(&mut self, most: usize) -> usize {
        if let Some(error) = self.error.as_mut().filter(|error| error.len() > most) {
            // A copy: a text that is cut keeps its room.
            *error = beginning(error, most).into();
        }
        self.error.as_ref().map_or(0, String::len)
    }
}

/// Reads an entry of a list of runs. `None` if it is not an object or has no ID.
fn read_run(entry: Json<'_>) -> Result<Option<Run>, ReadError> {
    let names = [
        "id",
        "status",
        "error",
        "createdAt",
        "startedAt",
        "finishedAt",
        "querySize",
        "completionRatio",
        "plannedRows",
        "successfulRows",
        "failedRows",
    ];
    let Some(fields) = entry.fields(names)? else {
        return Ok(None);
    };
    let [
        id,
        status,
        error,
        created,
        started,
        finished,
        size,
        ratio,
        planned,
        successful,
        failed,
    ] = fields;
    let word = |field: Option<Json<'_>>| field.and_then(|field| field.text(WORD));
    let (planned, successful, failed) = (
        read_rows(planned)?,
        read_rows(successful)?,
        read_rows(failed)?,
    );
    let Some(id) = id
        .and_then(Json::number)
        .and_then(|id| RunId::try_from(id).ok())
    else {
        return Ok(None);
    };
    Ok(Some(Run {
        id,
        status: RunStatus::read(&word(status).unwrap_or_default()),
        error: error.and_then(text_of),
        created_at: word(created),
        started_at: word(started),
        finished_at: word(finished),
        query_size: size.and_then(Json::number),
        completion_ratio: ratio.and_then(Ratio::read),
        planned_rows: planned,
        successful_rows: successful,
        failed_rows: failed,
    }))
}

/// Reads counts of rows; none where the field is none or no object.
fn read_rows(field: Option<Json<'_>>) -> Result<Option<RowCounts>, ReadError> {
    let counts = match field {
        Some(field) => field.fields(["addedCount", "changedCount", "removedCount"])?,
        None => None,
    };
    let count = |field: Option<Json<'_>>| field.and_then(Json::number).unwrap_or(0);
    Ok(counts.map(|[added, changed, removed]| RowCounts {
        added: count(added),
        changed: count(changed),
        removed: count(removed),
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::super::error::TEXT;
    use super::*;

    fn read(body: &str) -> Result<(Vec<Run>, Page), ReadError> {
        let mut runs = Vec::new();
        Run::read_page(body.as_bytes(), &mut |run| runs.push(run)).map(|page| (runs, page))
    }

    const RECORDED: &str = r#"{"id":42,"createdAt":"2022-02-08T16:11:04.712Z","startedAt":"2022-02-08T16:11:04.712Z","finishedAt":"2022-02-08T16:11:11.698Z","querySize":773,"status":"success","completionRatio":0.54,"plannedRows":{"addedCount":773,"changedCount":0,"removedCount":0},"successfulRows":{"addedCount":773,"changedCount":0,"removedCount":0},"failedRows":{"addedCount":0,"changedCount":0,"removedCount":0},"error":null}"#;

    #[test]
    fn a_recorded_run_is_read_whole() {
        let (runs, page) = read(&format!(r#"{{"data":[{RECORDED}],"hasMore":false}}"#)).unwrap();
        let added = |added| {
            Some(RowCounts {
                added,
                changed: 0,
                removed: 0,
            })
        };
        assert_eq!(
            page,
            Page {
                entries: 1,
                unreadable: 0,
                has_more: Some(false)
            }
        );
        assert_eq!(
            runs,
            [Run {
                id: RunId::try_from(42).unwrap(),
                status: RunStatus::Success,
                error: None,
                created_at: Some("2022-02-08T16:11:04.712Z".into()),
                started_at: Some("2022-02-08T16:11:04.712Z".into()),
                finished_at: Some("2022-02-08T16:11:11.698Z".into()),
                query_size: Some(773),
                completion_ratio: Some(Ratio {
                    value: 0.54,
                    written: "0.54".into()
                }),
                planned_rows: added(773),
                successful_rows: added(773),
                failed_rows: added(0),
            }]
        );
    }

    #[test]
    fn ids_are_read_from_strings_and_numbers_and_statuses_in_any_case() {
        let (runs, _) =
            read(r#"{"data":[{"id":"7","status":"QUEUED"},{"id":8,"status":"Success"}]}"#).unwrap();
        assert_eq!((runs[0].id.get(), &runs[0].status), (7, &RunStatus::Queued));
        assert_eq!(
            (runs[1].id.get(), &runs[1].status),
            (8, &RunStatus::Success)
        );
    }

    #[test]
    fn an_unknown_status_is_kept_as_written_and_has_not_ended() {
        let (runs, _) = read(r#"{"data":[{"id":7,"status":"Verifying"},{"id":7}]}"#).unwrap();
        assert_eq!(runs[0].status, RunStatus::Other("Verifying".into()));
        assert!(!runs[0].status.ended() && !runs[1].status.ended());
    }

    #[test]
    fn fields_of_the_wrong_type_unknown_fields_and_entries_that_are_no_runs_break_nothing() {
        let (runs, page) = read(
            r#"{"new":{"deep":[[]]},"data":[null,7,"x",[{}],true,-1,0.5,{},{"id":null},{"id":-1},
                {"id":9,"status":7,"error":{"code":1},"createdAt":3,"querySize":"12","completionRatio":"0.5",
                 "plannedRows":[],"failedRows":{"addedCount":"3","x":1},"x":[{"y":null}]}],"hasMore":null}"#,
        )
        .unwrap();
        assert_eq!((page.entries, page.has_more, runs.len()), (11, None, 1));
        let run = &runs[0];
        assert_eq!((run.query_size, run.planned_rows), (Some(12), None));
        assert_eq!(
            run.completion_ratio,
            Some(Ratio {
                value: 0.5,
                written: "0.5".into()
            })
        );
        assert_eq!(
            run.failed_rows,
            Some(RowCounts {
                added: 3,
                changed: 0,
                removed: 0
            })
        );
        assert_eq!(run.error.as_deref(), Some(r#"{"code":1}"#));
    }

    #[test]
    fn without_a_list_under_data_the_answer_is_unreadable() {
        let deep = format!(r#"{{"data":{}"#, "[".repeat(100_000));
        for body in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"data":null}"#,
            r#"{"data":{}}"#,
            r#"{"data":[]"#,
            r#"{"data":[]} x"#,
            "<html>",
            &deep,
        ] {
            assert!(read(body).is_err(), "{}", body.get(..40).unwrap_or(body));
        }
        assert!(read(r#"{"data":[]}"#).is_ok());
    }

    #[test]
    fn depth_in_fields_that_nobody_reads_costs_nothing() {
        let deep = format!(
            r#"{{"data":[{{"id":1,"status":"success","x":{}1{}}}]}}"#,
            "[".repeat(400_000),
            "]".repeat(400_000)
        );
        // Read or refused, but never a stack that overflows.
        let _ = read(&deep);
    }

    #[test]
    fn of_a_text_that_is_too_long_only_what_is_kept_takes_memory() {
        let long = "x".repeat(100_000);
        let (runs, _) = read(&format!(
            r#"{{"data":[{{"id":1,"error":"{long}","createdAt":"{long}"}}]}}"#
        ))
        .unwrap();
        let (error, created_at) = (
            runs[0].error.as_ref().unwrap(),
            runs[0].created_at.as_ref().unwrap(),
        );
        assert_eq!((error.len(), created_at.len()), (TEXT, WORD));
        assert!(error.capacity() < 2 * TEXT && created_at.capacity() < 2 * WORD);
    }

    #[test]
    fn whether_there_is_another_page_is_read_leniently_and_nothing_else_is_guessed() {
        for (value, expected) in [
            ("true", Some(Some(true))),
            ("false", Some(Some(false))),
            (r#""true""#, Some(Some(true))),
            (r#"" False ""#, Some(Some(false))),
            ("null", Some(None)),
            ("1", None),
            (r#""yes""#, None),
            ("[]", None),
        ] {
            let body = format!(r#"{{"data":[],"hasMore":{value}}}"#);
            assert_eq!(
                read(&body).ok().map(|(_, page)| page.has_more),
                expected,
                "{value}"
            );
        }
        assert_eq!(read(r#"{"data":[]}"#).unwrap().1.has_more, None);
    }

    #[test]
    fn an_unknown_status_is_an_end_only_with_the_time_of_the_end() {
        for (rest, expected) in [
            (r#""status":"verifying""#, false),
            (r#""status":"verifying","finishedAt":null"#, false),
            (r#""status":"verifying","finishedAt":"soon""#, false),
            (
                r#""status":"verifying","finishedAt":"0001-01-01T00:00:00Z""#,
                false,
            ),
            (
                r#""status":"completed","finishedAt":"2022-02-08T16:11:11.698Z""#,
                true,
            ),
            (r#""finishedAt":"2022-02-08T16:11:11.698Z""#, true),
            (
                r#""status":"processing","finishedAt":"2022-02-08T16:11:11.698Z""#,
                false,
            ),
            (r#""status":"failed""#, true),
        ] {
            let (runs, _) = read(&format!(r#"{{"data":[{{"id":1,{rest}}}]}}"#)).unwrap();
            assert_eq!(runs[0].ended(), expected, "{rest}");
        }
    }
}
