//! Properties of everything that reads responses. Each holds for any bytes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice
)]

use core::fmt::Debug;

use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::lenient::{self, MAX_SHORT_TEXT_LEN, MAX_TEXT_LEN};
use super::{
    ApiError, ApiKey, Destination, Response, RetryAfter, Run, RunStatus, SequenceRun,
    SequenceStatus, SyncDetails, SyncEntry, Timestamp, read_sequence_trigger, read_trigger,
};

/// The fields of an object that the project reads (`read`), and those of them that are objects or
/// lists of objects (`nested`).
struct Fields {
    read: &'static [&'static str],
    nested: &'static [(&'static str, Fields)],
}

const TRIGGER: Fields = Fields {
    read: &["id"],
    nested: &[],
};

const ENVELOPE: Fields = Fields {
    read: &["message", "details", "error"],
    nested: &[],
};

const SYNCS: Fields = Fields {
    read: &["data", "hasMore"],
    nested: &[(
        "data",
        Fields {
            read: &["id", "slug"],
            nested: &[],
        },
    )],
};

const SYNC: Fields = Fields {
    read: &["slug", "destinationId"],
    nested: &[],
};

const DESTINATION: Fields = Fields {
    read: &["type", "slug"],
    nested: &[],
};

const ROWS: Fields = Fields {
    read: &["addedCount", "changedCount", "removedCount"],
    nested: &[],
};

const RUNS: Fields = Fields {
    read: &["data", "hasMore"],
    nested: &[(
        "data",
        Fields {
            read: &[
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
            ],
            nested: &[
                ("plannedRows", ROWS),
                ("successfulRows", ROWS),
                ("failedRows", ROWS),
            ],
        },
    )],
};

const SEQUENCE_RUN: Fields = Fields {
    read: &["id", "status", "syncRuns"],
    nested: &[(
        "syncRuns",
        Fields {
            read: &["syncId", "syncRunId", "status", "finishedAt"],
            nested: &[],
        },
    )],
};

/// The fields that may be a number, or a number as a string.
const NUMBERS: &[&str] = &[
    "id",
    "syncId",
    "syncRunId",
    "querySize",
    "completionRatio",
    "addedCount",
    "changedCount",
    "removedCount",
];

/// A member of an object: its name, decoded if it is Unicode, the name's JSON and the value's JSON.
struct Member<'a> {
    name: String,
    name_json: &'a str,
    value: &'a str,
}

/// Returns the members of an object; `None` for any other JSON value.
fn members(json: &str) -> Option<Vec<Member<'_>>> {
    if !lenient::is_object(json) {
        return None;
    }
    let mut members = Vec::new();
    lenient::for_each_member(json, |name: &RawValue, value| {
        members.push(Member {
            name: serde_json::from_str(name.get()).unwrap_or_default(),
            name_json: name.get(),
            value: value.get(),
        });
    })
    .expect("the body was accepted");
    Some(members)
}

/// Returns the JSON of each entry of a list; `None` for any other JSON value.
fn entries(json: &str) -> Option<Vec<&str>> {
    json.starts_with('[')
        .then(|| serde_json::from_str::<Vec<&RawValue>>(json).expect("the body was accepted"))
        .map(|entries| entries.into_iter().map(RawValue::get).collect())
}

/// Returns the same body written differently: members in reverse order, blanks between all tokens,
/// numbers as strings, and an unknown field in each object.
fn rewritten(json: &str, fields: &Fields) -> String {
    let Some(members) = members(json) else {
        return json.into();
    };
    let mut object = String::from("{ ");
    for member in members.iter().rev() {
        let nested = fields.nested.iter().find(|(name, _)| *name == member.name);
        let value = match (nested, entries(member.value)) {
            (Some((_, fields)), Some(entries)) => {
                let entries: Vec<String> = entries
                    .into_iter()
                    .map(|entry| rewritten(entry, fields))
                    .collect();
                format!("[\t{} ]", entries.join("\n,\r"))
            }
            (Some((_, fields)), None) => rewritten(member.value, fields),
            (None, _)
                if NUMBERS.contains(&&*member.name)
                    && member
                        .value
                        .starts_with(|first: char| first == '-' || first.is_ascii_digit()) =>
            {
                format!("\"{}\"", member.value)
            }
            (None, _) => member.value.into(),
        };
        object += &format!("{} :\n{value} ,\t", member.name_json);
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    object + &format!("\"unknown\":{{\"id\":{deep},\"\\ud800\":1e999}}}}")
}

/// Returns one body for each field: the same body with this field twice.
fn with_duplicates(json: &str, fields: &Fields) -> Vec<String> {
    let mut bodies = Vec::new();
    for Member { name, value, .. } in members(json).unwrap_or_default() {
        if fields.read.contains(&&*name) {
            let object = json.trim_ascii_end();
            let object = &object[..object.len() - 1];
            let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
            for name in [&name, &escaped] {
                bodies.push(format!("{object},\"{name}\":{value}}}"));
            }
        }
        let Some((_, fields)) = fields.nested.iter().find(|(nested, _)| *nested == name) else {
            continue;
        };
        let objects = entries(value).unwrap_or_else(|| vec![value]);
        if let Some(object) = objects.into_iter().find(|entry| lenient::is_object(entry)) {
            // The object is a part of `json`.
            let begin = object.as_ptr() as usize - json.as_ptr() as usize;
            let (before, after) = (&json[..begin], &json[begin + object.len()..]);
            let objects = with_duplicates(object, fields).into_iter();
            bodies.extend(objects.map(|object| [before, &object, after].concat()));
        }
    }
    bodies
}

/// Checks what holds for everything that reads JSON, and returns what was read.
fn check_reader<T: PartialEq + Debug>(
    bytes: &[u8],
    fields: &Fields,
    read: impl Fn(&[u8]) -> Option<T>,
) -> Option<T> {
    let result = read(bytes);
    assert_eq!(result, read(bytes), "reading twice gives equal results");
    for spaced in [[bytes, b" \r\n\t"].concat(), [b" \r\n\t", bytes].concat()] {
        assert_eq!(result, read(&spaced), "blanks around a body mean nothing");
    }
    result.as_ref()?;
    for cut in cuts(bytes) {
        assert_eq!(
            read(cut),
            None,
            "a body that was cut off is not accepted: {}",
            cut.escape_ascii()
        );
    }
    let json = core::str::from_utf8(bytes).expect("the body was accepted");
    let again = rewritten(json, fields);
    assert_eq!(result, read(again.as_bytes()), "{again}");
    for body in with_duplicates(json, fields) {
        assert_eq!(
            read(body.as_bytes()),
            None,
            "a body with a field twice is not accepted: {body}"
        );
    }
    result
}

/// A page of runs.
pub fn runs(bytes: &[u8]) {
    let page = |bytes: &[u8]| {
        let mut runs = Vec::new();
        Run::read_page(bytes, &mut |run| runs.push(run))
            .ok()
            .map(|page| (page, runs))
    };
    let Some((page, runs)) = check_reader(bytes, &RUNS, page) else {
        return;
    };
    assert_eq!(runs.len() + page.unreadable, page.entries, "{page:?}");
    assert!(
        page.entries <= bytes.len(),
        "each entry has at least one byte: {page:?}"
    );
    let mut kept = 0;
    for run in &runs {
        assert!(run.id.get() > 0);
        assert_eq!(
            RunStatus::read(run.status.as_str()),
            run.status,
            "a status is read from its name"
        );
        assert!(
            RunStatus::KNOWN.contains(&run.status) || !run.status.ended(),
            "an unknown status is not final"
        );
        let unknown = match &run.status {
            RunStatus::Other(name) => Some(name),
            _ => None,
        };
        for text in [
            unknown,
            run.created_at.as_ref(),
            run.started_at.as_ref(),
            run.finished_at.as_ref(),
        ] {
            kept += memory(text, MAX_SHORT_TEXT_LEN);
        }
        kept += memory(run.error.as_ref(), MAX_TEXT_LEN);
        assert!(
            run.error
                .as_ref()
                .is_none_or(|text| !text.trim_ascii().is_empty()),
            "an error text has content"
        );
        assert!(
            run.completion_ratio
                .as_ref()
                .is_none_or(|ratio| ratio.value().is_finite())
        );
    }
    assert!(
        kept <= bytes.len(),
        "no more is kept than was received: {kept} of {} bytes",
        bytes.len()
    );
}

/// Returns the memory of a text in bytes, after checking that it is not much more than the text's
/// maximum length.
fn memory(text: Option<&String>, max: usize) -> usize {
    let Some(text) = text else { return 0 };
    assert!(text.len() <= max, "{} bytes of at most {max}", text.len());
    assert!(
        text.capacity() <= 2 * max,
        "{} bytes of memory for {} of at most {max}",
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
    let Some((page, syncs)) = check_reader(bytes, &SYNCS, page) else {
        return;
    };
    assert_eq!(syncs.len() + page.unreadable, page.entries, "{page:?}");
    assert!(
        page.entries <= bytes.len(),
        "each entry has at least one byte: {page:?}"
    );
    let kept: usize = syncs.iter().map(|sync| sync.slug.capacity()).sum();
    assert!(
        kept <= bytes.len(),
        "no more is kept than was received: {kept} of {} bytes",
        bytes.len()
    );
    assert!(syncs.iter().all(|sync| sync.id.get() > 0));
}

/// A sync, or its destination.
pub fn details(bytes: &[u8]) {
    let sync = check_reader(bytes, &SYNC, |bytes| SyncDetails::read(bytes).ok());
    if let Some(SyncDetails {
        slug,
        destination_id,
    }) = sync
    {
        memory(slug.as_ref(), MAX_SHORT_TEXT_LEN);
        assert!(destination_id.is_none_or(|id| id.get() > 0));
    }
    let destination = check_reader(bytes, &DESTINATION, |bytes| Destination::read(bytes).ok());
    if let Some(Destination { kind, slug }) = destination {
        for text in [kind, slug] {
            memory(Some(&text), MAX_SHORT_TEXT_LEN);
            assert!(!text.trim_ascii().is_empty(), "a name has content");
        }
    }
}

/// The response to a trigger.
pub fn trigger(bytes: &[u8]) {
    let run = check_reader(bytes, &TRIGGER, |bytes| read_trigger(bytes).ok());
    assert!(run.is_none_or(|run| run.get() > 0));
    assert!(
        run.is_none() || !ApiError::is_error_envelope(bytes),
        "a response that names a run is not an error envelope"
    );
    // Two concatenated bodies are not a valid response.
    assert!(read_trigger(&[bytes, bytes].concat()).is_err());
}

/// The response that describes a sequence's run, and the response to a sequence's trigger.
pub fn sequence(bytes: &[u8]) {
    let started = check_reader(bytes, &TRIGGER, |bytes| read_sequence_trigger(bytes).ok());
    let run = check_reader(bytes, &SEQUENCE_RUN, |bytes| SequenceRun::read(bytes).ok());
    assert!(
        started.is_none() || !ApiError::is_error_envelope(bytes),
        "a response that names a run is not an error envelope"
    );
    let Some(run) = run else { return };
    assert_eq!(started.as_ref(), Some(&run.id), "both name the same run");
    assert!(
        run.id
            .as_str()
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-'),
        "the ID needs no escaping in a path"
    );
    assert!(run.sync_runs.len() <= SequenceRun::MAX_SYNC_RUNS);
    assert!(
        SequenceStatus::KNOWN.contains(&run.status) || !run.status.ended(),
        "an unknown status is not final"
    );
    for entry in &run.sync_runs {
        assert!(
            RunStatus::KNOWN.contains(&entry.status) || !entry.status.ended(),
            "an unknown status is not final"
        );
    }
}

/// The body of an error.
pub fn error(bytes: &[u8]) {
    let read =
        |bytes: &[u8]| Some(ApiError::read(bytes)).filter(|error| *error != ApiError::default());
    let error = check_reader(bytes, &ENVELOPE, read).unwrap_or_default();
    let kept: usize = [&error.message, &error.details]
        .into_iter()
        .map(|text| memory(text.as_ref(), MAX_TEXT_LEN))
        .sum();
    assert!(
        kept <= bytes.len(),
        "no more is kept than was received: {kept} of {} bytes",
        bytes.len()
    );

    if ApiError::is_error_envelope(bytes) {
        assert!(
            read_trigger(bytes).is_err(),
            "an error envelope does not name a run"
        );
        for cut in cuts(bytes) {
            assert!(!ApiError::is_error_envelope(cut), "{}", cut.escape_ascii());
        }
        let json = core::str::from_utf8(bytes).expect("the body was accepted");
        // Bodies with a field twice, and a rewritten body, which has an unknown field.
        let mut others = with_duplicates(json, &ENVELOPE);
        others.push(rewritten(json, &ENVELOPE));
        for body in others {
            assert!(!ApiError::is_error_envelope(body.as_bytes()), "{body}");
        }
    }

    // A response may echo the request with its key, and may be cut off anywhere.
    let key = ApiKey::new("abab-abab-marked-key").expect("printable");
    let secret = key.bearer().split_off("Bearer ".len());
    for text in [error.message, error.details].into_iter().flatten() {
        let mut redacted = text.clone();
        key.redact(&mut redacted);
        assert!(!redacted.contains(&secret), "{redacted}");
        assert!(
            (4..secret.len()).all(|length| !redacted.ends_with(&secret[..length])),
            "{redacted}"
        );
        let mut again = redacted.clone();
        key.redact(&mut again);
        assert_eq!(redacted, again, "redacting twice changes nothing");
    }
}

/// The relevant headers, one per line.
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
    let response = |case: fn(&str) -> String| {
        let mut response = Response::new(429, "");
        for (name, value) in &lines {
            response.record_header(&case(name), value);
        }
        response
    };
    let noted = response(str::to_owned);
    assert_eq!(
        noted,
        response(str::to_ascii_uppercase),
        "the letter case of a header's name means nothing"
    );
    assert_eq!(
        noted,
        response(str::to_ascii_lowercase),
        "the letter case of a header's name means nothing"
    );
    assert_eq!(
        Response {
            retry_after: None,
            date: None,
            is_from_cache: false,
            coding: None,
            is_plain_text: false,
            ..noted.clone()
        },
        Response::new(429, ""),
        "headers change no other field"
    );
    match (noted.retry_after, noted.date, noted.retry_delay()) {
        (None, _, delay) => assert_eq!(delay, None),
        (Some(RetryAfter::Delay(requested)), _, delay) => {
            assert_eq!(delay, Some(requested));
            assert_eq!(
                RetryAfter::read(&requested.as_secs().to_string()),
                Some(RetryAfter::Delay(requested))
            );
        }
        (Some(RetryAfter::Timestamp(until)), date, delay) => {
            check_second(until);
            assert_eq!(
                delay,
                date.map(|date| until.duration_since(date)),
                "the delay until a date is counted from the server's `Date`"
            );
        }
    }
    if let Some(date) = noted.date {
        check_second(date);
    }
    for (_, value) in lines {
        // The same values are passed to the reader of RFC 3339, the form of times in bodies.
        if let Some(time) = core::str::from_utf8(value)
            .ok()
            .and_then(|text| Timestamp::rfc3339(text.trim()))
        {
            assert_eq!(time.duration_since(time), core::time::Duration::ZERO);
        }
    }
}

/// Checks that a time, written as an HTTP date (RFC 9110, section 5.6.7), is read as the same
/// second.
fn check_second(timestamp: Timestamp) {
    let Ok(utc) = OffsetDateTime::from_unix_timestamp(timestamp.millis().div_euclid(1000)) else {
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
        timestamp.millis().div_euclid(1000),
        "{date}"
    );
}

/// Whether a byte is a blank in JSON (RFC 8259, section 2).
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Returns three prefixes of a text. Each lacks at least one byte that is not a blank.
pub(crate) fn cuts(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let last = text.iter().rposition(|byte| !is_blank(*byte)).unwrap_or(0);
    // Any position will do, but the same text must always be cut at the same positions.
    let anywhere = text.iter().fold(0_usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(*byte))
    });
    let positions = [last, last / 2, anywhere % (last + 1)];
    positions
        .into_iter()
        .filter_map(|position| text.get(..position))
}
