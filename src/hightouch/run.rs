//! Runs of syncs, as `GET /syncs/{syncId}/runs` lists them.

use core::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::lenient::{self, MAX_SHORT_TEXT_LEN, MAX_TEXT_LEN, has_content, prefix};
use super::page::{Page, read_page};
use super::{ReadError, RunId, RunStatus, Timestamp};

/// Row counts by operation. A count is `None` if it is missing or of a type other than the one that
/// the API documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RowCounts {
    /// `addedCount`.
    #[serde(rename = "addedCount", deserialize_with = "lenient::u64")]
    pub added: Option<u64>,
    /// `changedCount`.
    #[serde(rename = "changedCount", deserialize_with = "lenient::u64")]
    pub changed: Option<u64>,
    /// `removedCount`.
    #[serde(rename = "removedCount", deserialize_with = "lenient::u64")]
    pub removed: Option<u64>,
}

impl RowCounts {
    /// Returns the sum of the counts; `None` if one of them is unknown.
    pub fn total(&self) -> Option<u128> {
        let counts = [self.added, self.changed, self.removed];
        counts.iter().map(|count| count.map(u128::from)).sum()
    }
}

/// A finite number and its text. The text makes it possible to detect an API key that a response
/// echoes as a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratio {
    value: f64,
    json: String,
}

impl Ratio {
    /// Reads a number, or a number as a string, of at most [`MAX_SHORT_TEXT_LEN`] bytes.
    fn read(value: &RawValue) -> Option<Self> {
        let text = lenient::as_text_or_json(value, MAX_SHORT_TEXT_LEN + 1);
        // `serde_json` refuses a number that is not finite.
        let value = serde_json::from_str(&text).ok()?;
        let json = text.trim_ascii();
        (json.len() <= MAX_SHORT_TEXT_LEN).then(|| Self {
            value,
            json: json.into(),
        })
    }

    /// Returns the number.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Returns the number as Hightouch wrote it, which is valid JSON.
    pub fn as_str(&self) -> &str {
        &self.json
    }
}

/// Reads a ratio for `deserialize_with`; any value but a number or a number as a string counts as
/// missing.
fn ratio<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Ratio>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Ratio::read)
}

/// One entry of a list of runs. A field is `None` if it is missing, null, or of a type other than
/// the one that the API documents.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// `id`.
    pub id: RunId,
    /// `status`; empty if it is missing.
    pub status: RunStatus,
    /// `error`: free text of Hightouch or of the destination, cut to 16 KiB.
    pub error: Option<String>,
    /// `createdAt`, in RFC 3339. It is earlier than `startedAt` if the run was queued.
    pub created_at: Option<String>,
    /// `startedAt`, in RFC 3339.
    pub started_at: Option<String>,
    /// `finishedAt`, in RFC 3339.
    pub finished_at: Option<String>,
    /// `querySize`: the number of rows that the model's query returned.
    pub query_size: Option<u64>,
    /// `completionRatio`, which is only a hint: a run can succeed at 0.54.
    pub completion_ratio: Option<Ratio>,
    /// `plannedRows`.
    pub planned_rows: Option<RowCounts>,
    /// `successfulRows`.
    pub successful_rows: Option<RowCounts>,
    /// `failedRows`.
    pub failed_rows: Option<RowCounts>,
}

fn time(text: &Option<String>) -> Option<Timestamp> {
    Timestamp::rfc3339(text.as_deref()?)
}

/// The metadata of a page of runs, without its entries.
pub type RunsPage = Page;

/// An entry of a list of runs, which may lack an ID.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Fields {
    #[serde(deserialize_with = "lenient::id")]
    id: Option<RunId>,
    status: RunStatus,
    #[serde(deserialize_with = "lenient::free_text")]
    error: Option<String>,
    #[serde(deserialize_with = "lenient::short_text")]
    created_at: Option<String>,
    #[serde(deserialize_with = "lenient::short_text")]
    started_at: Option<String>,
    #[serde(deserialize_with = "lenient::short_text")]
    finished_at: Option<String>,
    #[serde(deserialize_with = "lenient::u64")]
    query_size: Option<u64>,
    #[serde(deserialize_with = "ratio")]
    completion_ratio: Option<Ratio>,
    #[serde(deserialize_with = "lenient::object")]
    planned_rows: Option<RowCounts>,
    #[serde(deserialize_with = "lenient::object")]
    successful_rows: Option<RowCounts>,
    #[serde(deserialize_with = "lenient::object")]
    failed_rows: Option<RowCounts>,
}

/// An entry in which every field has a type that the API documents, and no text is escaped. Reading
/// it takes a third of the time that reading [`Fields`] takes.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Documented<'a> {
    id: u64,
    status: &'a str,
    error: Option<&'a str>,
    created_at: Option<&'a str>,
    started_at: Option<&'a str>,
    finished_at: Option<&'a str>,
    query_size: Option<u64>,
    #[serde(deserialize_with = "ratio")]
    completion_ratio: Option<Ratio>,
    planned_rows: Option<DocumentedCounts>,
    successful_rows: Option<DocumentedCounts>,
    failed_rows: Option<DocumentedCounts>,
}

/// Row counts that are numbers.
struct DocumentedCounts(RowCounts);

impl<'de> Deserialize<'de> for DocumentedCounts {
    // The derived code would also accept a list in place of an object.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(field_identifier, rename_all = "camelCase")]
        enum Field {
            AddedCount,
            ChangedCount,
            RemovedCount,
            #[serde(other)]
            Other,
        }

        struct Counts;

        impl<'de> Visitor<'de> for Counts {
            type Value = RowCounts;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RowCounts, A::Error> {
                let (mut added, mut changed, mut removed) = (None, None, None);
                while let Some(name) = map.next_key()? {
                    let count = match name {
                        Field::AddedCount => &mut added,
                        Field::ChangedCount => &mut changed,
                        Field::RemovedCount => &mut removed,
                        Field::Other => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    if count.replace(map.next_value()?).is_some() {
                        return Err(A::Error::custom("a count comes twice"));
                    }
                }
                Ok(RowCounts {
                    added,
                    changed,
                    removed,
                })
            }
        }

        deserializer.deserialize_map(Counts).map(Self)
    }
}

impl From<Documented<'_>> for Fields {
    fn from(entry: Documented<'_>) -> Self {
        let short = |text: Option<&str>| Some(prefix(text?, MAX_SHORT_TEXT_LEN).into());
        let counts = |counts: Option<DocumentedCounts>| Some(counts?.0);
        Self {
            id: RunId::try_from(entry.id).ok(),
            status: RunStatus::read(prefix(entry.status, MAX_SHORT_TEXT_LEN)),
            error: entry
                .error
                .map(|text| prefix(text, MAX_TEXT_LEN))
                .filter(|text| has_content(text))
                .map(Into::into),
            created_at: short(entry.created_at),
            started_at: short(entry.started_at),
            finished_at: short(entry.finished_at),
            query_size: entry.query_size,
            completion_ratio: entry.completion_ratio,
            planned_rows: counts(entry.planned_rows),
            successful_rows: counts(entry.successful_rows),
            failed_rows: counts(entry.failed_rows),
        }
    }
}

impl Fields {
    fn into_run(self) -> Option<Run> {
        Some(Run {
            id: self.id?,
            status: self.status,
            error: self.error,
            created_at: self.created_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
            query_size: self.query_size,
            completion_ratio: self.completion_ratio,
            planned_rows: self.planned_rows,
            successful_rows: self.successful_rows,
            failed_rows: self.failed_rows,
        })
    }
}

impl Run {
    /// Reads a page of runs and passes each entry that has an ID to a function.
    ///
    /// # Errors
    /// The body is not JSON, has no list under `data`, has a `hasMore` that is not a boolean, or
    /// has a field twice. Entries that were passed on before an error must be discarded.
    pub fn read_page(body: &[u8], each: &mut dyn FnMut(Self)) -> Result<RunsPage, ReadError> {
        read_page(body, &mut |value| {
            let run = Self::read(value)?;
            Ok(run.map(&mut *each).is_some())
        })
    }

    /// Reads an entry; returns `None` if it is not an object with an ID.
    ///
    /// # Errors
    /// The entry has a field twice.
    fn read(value: &RawValue) -> Result<Option<Self>, serde_json::Error> {
        let json = value.get();
        let fields = match serde_json::from_str::<Documented<'_>>(json) {
            Ok(documented) if lenient::is_object(json) => Some(documented.into()),
            _ => lenient::read_nested::<Fields>(value)?,
        };
        Ok(fields.and_then(Fields::into_run))
    }

    /// Whether the run has ended: its status is a final one, or it is unknown and the run has a
    /// `finishedAt`.
    pub fn ended(&self) -> bool {
        self.status.ended_at(self.finished_at.as_deref())
    }

    /// Returns when the run was requested, if that is a valid time.
    pub fn created(&self) -> Option<Timestamp> {
        time(&self.created_at)
    }

    /// Returns when the job began, if that is a valid time.
    pub fn started(&self) -> Option<Timestamp> {
        time(&self.started_at)
    }

    /// Returns when the job ended, if that is a valid time.
    pub fn finished(&self) -> Option<Timestamp> {
        time(&self.finished_at)
    }

    /// Cuts the error text to at most `max` bytes and returns its length in bytes after the cut.
    pub fn truncate_error(&mut self, max: usize) -> usize {
        if let Some(error) = self.error.as_mut().filter(|error| error.len() > max) {
            // A copy, because truncating a `String` keeps its capacity.
            *error = prefix(error, max).into();
        }
        self.error.as_ref().map_or(0, String::len)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::super::lenient::MAX_TEXT_LEN;
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
                added: Some(added),
                changed: Some(0),
                removed: Some(0),
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
                    json: "0.54".into()
                }),
                planned_rows: added(773),
                successful_rows: added(773),
                failed_rows: added(0),
            }]
        );
    }

    #[test]
    fn a_ratio_may_be_a_string_of_a_number() {
        for (json, expected) in [
            ("0.54", Some((0.54, "0.54"))),
            (r#""0.54""#, Some((0.54, "0.54"))),
            (r#"" 1 ""#, Some((1.0, "1"))),
            ("5.4e-1", Some((0.54, "5.4e-1"))),
            ("-7", Some((-7.0, "-7"))),
            ("1e999", None),
            (r#""01""#, None),
            (r#""1,5""#, None),
            (r#""""#, None),
            (r#""NaN""#, None),
            (r#""true""#, None),
            ("true", None),
            ("null", None),
            ("[1]", None),
            ("{}", None),
            (&format!("0.{}", "3".repeat(500)), None),
        ] {
            let (runs, _) = read(&format!(
                r#"{{"data":[{{"id":1,"completionRatio":{json}}}]}}"#
            ))
            .unwrap();
            let ratio = runs[0].completion_ratio.as_ref();
            assert_eq!(
                ratio.map(|ratio| (ratio.value(), ratio.as_str())),
                expected,
                "{json}"
            );
        }
    }

    #[test]
    fn text_that_is_not_unicode_does_not_fail_the_page() {
        let (runs, page) = read(
            r#"{"data":[{"id":1,"status":"\ud800","error":"\ud83d","x":"\udc00"},"\ud800",
                {"id":2,"\ud800":1}]}"#,
        )
        .unwrap();
        assert_eq!((page.entries, page.unreadable), (3, 2));
        assert_eq!(runs[0].status, RunStatus::default());
        assert_eq!(runs[0].error.as_deref(), Some(r#""\ud83d""#));
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
    fn wrong_types_unknown_fields_and_unreadable_entries_do_not_fail_the_page() {
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
                json: "0.5".into()
            })
        );
        assert_eq!(
            run.failed_rows,
            Some(RowCounts {
                added: Some(3),
                changed: None,
                removed: None
            })
        );
        assert_eq!(run.error.as_deref(), Some(r#"{"code":1}"#));
    }

    #[test]
    fn without_a_list_under_data_the_response_is_unreadable() {
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
    fn a_deep_field_does_not_overflow_the_stack() {
        let deep = format!(
            r#"{{"data":[{{"id":1,"status":"success","x":{}1{}}}]}}"#,
            "[".repeat(400_000),
            "]".repeat(400_000)
        );
        assert_eq!(read(&deep).map(|(runs, _)| runs.len()), Ok(1));
    }

    #[test]
    fn a_long_text_takes_only_the_memory_of_the_part_that_is_kept() {
        let long = "x".repeat(100_000);
        let (runs, _) = read(&format!(
            r#"{{"data":[{{"id":1,"error":"{long}","createdAt":"{long}"}}]}}"#
        ))
        .unwrap();
        let (error, created_at) = (
            runs[0].error.as_ref().unwrap(),
            runs[0].created_at.as_ref().unwrap(),
        );
        assert_eq!(
            (error.len(), created_at.len()),
            (MAX_TEXT_LEN, MAX_SHORT_TEXT_LEN)
        );
        assert!(
            error.capacity() < 2 * MAX_TEXT_LEN && created_at.capacity() < 2 * MAX_SHORT_TEXT_LEN
        );
    }

    #[test]
    fn has_more_may_be_a_boolean_or_a_boolean_as_a_string() {
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
    fn an_unknown_status_is_final_only_with_finished_at() {
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
