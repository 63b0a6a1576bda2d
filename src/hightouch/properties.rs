//! What holds of every answer, whatever its bytes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

use core::fmt::Debug;

use serde_json::Value;
use time::OffsetDateTime;

use super::error::TEXT;
use super::page::Page;
use super::response::RetryAfter;
use super::run::{Ratio, WORD};
use super::timestamp::Timestamp;
use super::{
    ApiError, ApiKey, Response, RowCounts, Run, RunId, RunStatus, SequenceRun, SequenceStatus,
    SyncEntry, SyncId, SyncRun, read_sequence_trigger, read_trigger,
};
use crate::properties::cuts;

/// What holds of everything that reads JSON, and what came of the bytes. `model` says the same of a value that somebody else has read.
fn reads<T: PartialEq + Debug>(
    bytes: &[u8],
    read: impl Fn(&[u8]) -> Option<T>,
    model: impl Fn(&Value) -> Option<T>,
) -> Option<T> {
    let seen = read(bytes);
    assert_eq!(seen, read(bytes), "what is read twice is equal");
    for spaced in [[bytes, b" \r\n\t"].concat(), [b" \r\n\t", bytes].concat()] {
        assert_eq!(seen, read(&spaced), "blanks around it mean nothing");
    }
    if seen.is_some() {
        for cut in cuts(bytes) {
            assert_eq!(
                read(cut),
                None,
                "what was cut never reads as whole: {}",
                cut.escape_ascii()
            );
        }
    }
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        // Written anew, it has no field twice: each side must say the same of it.
        let anew = value.to_string();
        let value: Value = serde_json::from_str(&anew).expect("what was written can be read");
        // Some fractions are read a little off, so that they are written otherwise the next time.
        let again = value.to_string();
        if again == anew {
            assert_eq!(read(anew.as_bytes()), model(&value), "{anew}");
        }
    }
    seen
}

/// A page of runs.
pub fn runs(bytes: &[u8]) {
    let page = |bytes: &[u8]| {
        let mut runs = Vec::new();
        Run::read_page(bytes, &mut |run| runs.push(run))
            .ok()
            .map(|page| (page, runs))
    };
    let model = |value: &Value| {
        let (entries, has_more) = entries(value)?;
        let runs: Vec<Run> = entries
            .iter()
            .filter(|entry| entry.is_object())
            .filter_map(run)
            .collect();
        Some((
            Page {
                entries: entries.len(),
                unreadable: entries.len() - runs.len(),
                has_more,
            },
            runs,
        ))
    };
    let Some((page, runs)) = reads(bytes, page, model) else {
        return;
    };
    assert_eq!(runs.len() + page.unreadable, page.entries, "{page:?}");
    assert!(
        page.entries <= bytes.len(),
        "each entry takes a byte at the least: {page:?}"
    );
    let mut kept = 0;
    for run in &runs {
        assert!(run.id.get() > 0);
        assert_eq!(
            RunStatus::read(run.status.as_str()),
            run.status,
            "a status reads back from its word"
        );
        assert!(
            RunStatus::KNOWN.contains(&run.status) || !run.status.ended(),
            "what is not known has not ended"
        );
        let unknown = match &run.status {
            RunStatus::Other(word) => Some(word),
            _ => None,
        };
        for word in [
            unknown,
            run.created_at.as_ref(),
            run.started_at.as_ref(),
            run.finished_at.as_ref(),
        ] {
            kept += within(word, WORD);
        }
        kept += within(run.error.as_ref(), TEXT);
        assert!(
            run.error
                .as_ref()
                .is_none_or(|text| !text.trim_ascii().is_empty()),
            "an error text says something"
        );
        assert!(
            run.completion_ratio
                .as_ref()
                .is_none_or(|ratio| ratio.value().is_finite())
        );
    }
    assert!(
        kept <= bytes.len(),
        "no more is kept than came: {kept} of {}",
        bytes.len()
    );
}

/// How much memory a text takes, which is not much more than it may.
fn within(text: Option<&String>, most: usize) -> usize {
    let Some(text) = text else { return 0 };
    assert!(text.len() <= most, "{} bytes of at most {most}", text.len());
    assert!(
        text.capacity() <= 2 * most,
        "{} bytes kept for {} of at most {most}",
        text.capacity(),
        text.len()
    );
    text.capacity()
}

/// A page of syncs.
pub fn syncs(bytes: &[u8]) {
    let page = |bytes: &[u8]| {
        let mut syncs = Vec::new();
        SyncEntry::read_page(bytes, &mut |sync| syncs.push(sync))
            .ok()
            .map(|page| (page, syncs))
    };
    let model = |value: &Value| {
        let (entries, has_more) = entries(value)?;
        let sync = |entry: &Value| {
            let id = SyncId::try_from(number(entry.get("id")?)?).ok()?;
            Some(SyncEntry {
                id,
                slug: text(entry.get("slug")).unwrap_or_default(),
            })
        };
        let syncs: Vec<SyncEntry> = entries.iter().filter_map(sync).collect();
        Some((
            Page {
                entries: entries.len(),
                unreadable: entries.len() - syncs.len(),
                has_more,
            },
            syncs,
        ))
    };
    let Some((page, syncs)) = reads(bytes, page, model) else {
        return;
    };
    assert!(
        syncs.len() <= page.entries && page.entries <= bytes.len(),
        "{page:?}"
    );
    let kept: usize = syncs.iter().map(|sync| sync.slug.capacity()).sum();
    assert!(
        kept <= bytes.len(),
        "no more is kept than came: {kept} of {}",
        bytes.len()
    );
    assert!(syncs.iter().all(|sync| sync.id.get() > 0));
}

/// The answer to a trigger.
pub fn trigger(bytes: &[u8]) {
    let model = |value: &Value| {
        value
            .as_object()?
            .get("id")
            .and_then(number)
            .and_then(|id| RunId::try_from(id).ok())
    };
    let run = reads(bytes, |bytes| read_trigger(bytes).ok(), model);
    assert!(run.is_none_or(|run| run.get() > 0));
    assert!(
        run.is_none() || !ApiError::is_all_of(bytes),
        "what names a run is no error that shows that there is none"
    );
    // Should an answer come twice over one connection, it is not the answer to one request.
    assert!(read_trigger(&[bytes, bytes].concat()).is_err());
}

/// What tells of a sequence's run, and the answer to its trigger.
pub fn sequence(bytes: &[u8]) {
    let word = |value: &Value, field| {
        text(value.get(field)).map(|word| word[..word.floor_char_boundary(WORD)].to_owned())
    };
    let id = |value: &Value| word(value, "id")?.trim_ascii().parse().ok();
    let model = |value: &Value| {
        let sync_run = |entry: &Value| SyncRun {
            sync: entry
                .get("syncId")
                .and_then(number)
                .and_then(|id| SyncId::try_from(id).ok()),
            run: entry
                .get("syncRunId")
                .and_then(number)
                .and_then(|id| RunId::try_from(id).ok()),
            status: RunStatus::read(&word(entry, "status").unwrap_or_default()),
            finished_at: word(entry, "finishedAt"),
        };
        let entries = value
            .get("syncRuns")
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let status = SequenceStatus::read(&word(value, "status").unwrap_or_default());
        let run = SequenceRun {
            id: id(value)?,
            status,
            sync_runs: entries.iter().map(sync_run).collect(),
        };
        (entries.len() <= SequenceRun::MOST).then_some(run)
    };
    let started = reads(bytes, |bytes| read_sequence_trigger(bytes).ok(), id);
    let run = reads(bytes, |bytes| SequenceRun::read(bytes).ok(), model);
    assert!(
        started.is_none() || !ApiError::is_all_of(bytes),
        "what names a run is no error that shows that there is none"
    );
    let Some(run) = run else { return };
    assert_eq!(started.as_ref(), Some(&run.id), "both name the same run");
    assert!(
        run.id
            .as_str()
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-'),
        "it can stand in a path"
    );
    assert!(
        SequenceStatus::KNOWN.contains(&run.status) || !run.status.ended(),
        "what is not known has not ended"
    );
    for entry in &run.sync_runs {
        assert!(
            RunStatus::KNOWN.contains(&entry.status) || !entry.status.ended(),
            "what is not known has not ended"
        );
    }
}

/// The body of an error.
pub fn error(bytes: &[u8]) {
    let read =
        |bytes: &[u8]| Some(ApiError::read(bytes)).filter(|error| *error != ApiError::default());
    let said = |text: String| (!text.trim_ascii().is_empty() && text != "null").then_some(text);
    let model = |value: &Value| {
        let whole = |name: &str| {
            let value = value.get(name)?;
            said(
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), String::from),
            )
        };
        let text = |name: &str| value.get(name)?.as_str().map(String::from).and_then(said);
        let message = value
            .as_str()
            .map(String::from)
            .and_then(said)
            .or_else(|| text("message"));
        let (message, details) = match (message, text("error")) {
            (None, Some(error)) => (Some(error), whole("details")),
            (message, _) => (message, whole("details").or_else(|| whole("error"))),
        };
        let [message, details] = [message, details]
            .map(|text| text.map(|text| text[..text.floor_char_boundary(TEXT)].to_owned()));
        Some(ApiError { message, details }).filter(|error| *error != ApiError::default())
    };
    let error = reads(bytes, read, model).unwrap_or_default();
    let kept: usize = [&error.message, &error.details]
        .into_iter()
        .flatten()
        .map(String::capacity)
        .sum();
    assert!(
        kept <= bytes.len(),
        "no more is kept than came: {kept} of {}",
        bytes.len()
    );

    let whole = |bytes: &[u8]| ApiError::is_all_of(bytes).then_some(());
    let model = |value: &Value| {
        let envelope = value.as_object()?;
        let alone = envelope
            .keys()
            .all(|key| ["message", "details", "error"].contains(&key.as_str()));
        let says = ["message", "error"]
            .iter()
            .any(|name| envelope.get(*name).is_some_and(Value::is_string));
        (alone && says).then_some(())
    };
    if reads(bytes, whole, model).is_some() {
        assert!(
            read_trigger(bytes).is_err(),
            "an error and nothing beside names no run"
        );
    }

    // An answer may echo the request, key and all, and may have been cut anywhere.
    let key = ApiKey::new("abab-abab-marked-key").expect("printable");
    let secret = key.bearer().split_off("Bearer ".len());
    for text in [error.message, error.details].into_iter().flatten() {
        let mut told = text.clone();
        key.redact(&mut told);
        assert!(!told.contains(&secret), "{told}");
        assert!(
            (4..secret.len()).all(|at| !told.ends_with(&secret[..at])),
            "{told}"
        );
        let mut again = told.clone();
        key.redact(&mut again);
        assert_eq!(told, again, "what is redacted stays as it is");
    }
}

/// The headers that matter, one a line.
pub fn headers(bytes: &[u8]) {
    let lines: Vec<(&str, &[u8])> = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((
                core::str::from_utf8(&line[..colon]).ok()?,
                &line[colon + 1..],
            ))
        })
        .collect();
    let note = |case: fn(&str) -> String| {
        let mut answer = Response::new(429, "");
        for (name, value) in &lines {
            answer.note_header(&case(name), value);
        }
        answer
    };
    let answer = note(str::to_owned);
    assert_eq!(
        answer,
        note(str::to_ascii_uppercase),
        "letter case means nothing in a header's name"
    );
    assert_eq!(
        answer,
        note(str::to_ascii_lowercase),
        "letter case means nothing in a header's name"
    );
    assert_eq!(
        Response {
            retry_after: None,
            date: None,
            is_old: false,
            coding: None,
            ..answer.clone()
        },
        Response::new(429, ""),
        "nothing else changes"
    );
    match (answer.retry_after, answer.date, answer.wait_asked()) {
        (None, _, asked) => assert_eq!(asked, None),
        (Some(RetryAfter::Delay(delay)), _, asked) => {
            assert_eq!(asked, Some(delay));
            assert_eq!(
                RetryAfter::read(&delay.as_secs().to_string()),
                Some(RetryAfter::Delay(delay))
            );
        }
        (Some(RetryAfter::Timestamp(moment)), date, asked) => {
            same_second(moment);
            assert_eq!(
                asked,
                date.map(|date| moment.duration_since(date)),
                "a date is counted from the server's own"
            );
        }
    }
    if let Some(date) = answer.date {
        same_second(date);
    }
    for (_, value) in lines {
        // The times in bodies are read by the same crate from another form.
        if let Some(moment) = core::str::from_utf8(value)
            .ok()
            .and_then(|text| Timestamp::rfc3339(text.trim()))
        {
            assert_eq!(moment.duration_since(moment), core::time::Duration::ZERO);
        }
    }
}

/// A moment that was read is the one that an HTTP date in the form of RFC 9110 says.
fn same_second(moment: Timestamp) {
    let Ok(utc) = OffsetDateTime::from_unix_timestamp(moment.millis().div_euclid(1000)) else {
        return;
    };
    if !(1900..=9999).contains(&utc.year()) {
        return;
    }
    let (weekday, month) = (utc.weekday().to_string(), utc.month().to_string());
    let (hour, minute, second) = utc.to_hms();
    let date = format!(
        "{}, {:02} {} {} {hour:02}:{minute:02}:{second:02} GMT",
        &weekday[..3],
        utc.day(),
        &month[..3],
        utc.year()
    );
    let again = RetryAfter::read(&date);
    let Some(RetryAfter::Timestamp(again)) = again else {
        panic!("{date} reads as {again:?}")
    };
    assert_eq!(
        again.millis().div_euclid(1000),
        moment.millis().div_euclid(1000),
        "{date}"
    );
}

fn entries(value: &Value) -> Option<(&Vec<Value>, Option<bool>)> {
    let page = value.as_object()?;
    let has_more = match page.get("hasMore") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text.trim_ascii().to_ascii_lowercase().parse().ok()?),
        Some(value) => Some(value.as_bool()?),
    };
    Some((page.get("data")?.as_array()?, has_more))
}

fn run(entry: &Value) -> Option<Run> {
    let cut = |text: String, most| text[..text.floor_char_boundary(most)].to_owned();
    let word = |field| text(entry.get(field)).map(|word| cut(word, WORD));
    let ratio = |value: &Value| {
        let written = value
            .as_str()
            .map_or_else(|| value.to_string(), |text| text.trim_ascii().to_owned());
        let value = serde_json::from_str(&written)
            .ok()
            .filter(|value: &f64| value.is_finite())?;
        (written.len() <= WORD).then_some(Ratio { value, written })
    };
    let error = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), String::from)
    };
    Some(Run {
        id: RunId::try_from(number(entry.get("id")?)?).ok()?,
        status: RunStatus::read(&word("status").unwrap_or_default()),
        error: entry
            .get("error")
            .map(error)
            .filter(|text| !text.trim_ascii().is_empty() && text != "null")
            .map(|text| cut(text, TEXT)),
        created_at: word("createdAt"),
        started_at: word("startedAt"),
        finished_at: word("finishedAt"),
        query_size: entry.get("querySize").and_then(number),
        completion_ratio: entry.get("completionRatio").and_then(ratio),
        planned_rows: counts(entry.get("plannedRows")),
        successful_rows: counts(entry.get("successfulRows")),
        failed_rows: counts(entry.get("failedRows")),
    })
}

fn counts(value: Option<&Value>) -> Option<RowCounts> {
    let rows = value?.as_object()?;
    let count = |field| rows.get(field).and_then(number).unwrap_or(0);
    Some(RowCounts {
        added: count("addedCount"),
        changed: count("changedCount"),
        removed: count("removedCount"),
    })
}

fn number(value: &Value) -> Option<u64> {
    let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    value
        .as_u64()
        .or_else(|| value.as_str().filter(digits)?.parse().ok())
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(String::from)
}
