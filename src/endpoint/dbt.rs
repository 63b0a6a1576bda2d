//! What dbt's webhooks say (<https://docs.getdbt.com/docs/deploy/webhooks>).

use hmac_sha256::HMAC;
use subtle::{Choice, ConstantTimeEq as _};

use super::problem::Problem;
use crate::hightouch::{Json, Timestamp};

/// The event that starts runs. `job.run.errored` comes beside it where the run failed, and `job.run.started` before.
const COMPLETED: &str = "job.run.completed";
/// `data.runStatusCode` and `data.runStatus` of a run that succeeded: with every test, as far as the job has any.
const SUCCESS: (u64, &str) = (10, "Success");
/// The most of an ID or a word, which neither comes near.
const WORD: usize = 128;

/// Whether a body was signed with one of these secrets: `Authorization` holds the body's HMAC-SHA256 as dbt writes it, in lower-case hex. How
/// long this takes tells nothing of the secrets but how many there are.
pub(super) fn signed(body: &[u8], signature: &str, secrets: &str) -> bool {
    let signature = signature.trim_ascii().as_bytes();
    let mut signed = Choice::from(0);
    for secret in secrets.as_bytes().split(|byte| *byte == b',') {
        let secret = secret.trim_ascii();
        if secret.is_empty() {
            continue;
        }
        let mut expected = [0; 64];
        let digits = expected.as_chunks_mut::<2>().0;
        for (byte, digits) in HMAC::mac(body, secret).into_iter().zip(digits) {
            *digits = [digit(byte >> 4), digit(byte & 15)];
        }
        signed |= expected.as_slice().ct_eq(signature);
    }
    signed.into()
}

/// A digit in lower-case hex.
fn digit(of: u8) -> u8 {
    of + if of < 10 { b'0' } else { b'a' - 10 }
}

/// What a delivery says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    /// The dbt run, by its ID.
    pub(super) run: Option<String>,
    /// When that run was over, if it succeeded; else why there is nothing to do.
    pub(super) tested: Result<Timestamp, String>,
}

impl Delivery {
    /// Reads the body. Only one thing has to be there: when a run that succeeded was over. A delivery that names no event tells of no success.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        let fields = Json::check(body).and_then(|json| json.fields(["eventType", "data"]));
        let [event, data] = fields
            .ok()
            .flatten()
            .ok_or_else(|| unreadable("JSON object"))?;
        let event = word(event);
        let data = match data {
            Some(data) => data.fields(["runId", "runStatus", "runStatusCode", "runFinishedAt"]),
            None => Ok(None),
        };
        let [run, status, code, finished] =
            data.map_err(|_| unreadable("`data`"))?.unwrap_or_default();
        let run = word(run).or_else(|| run.and_then(Json::number).map(|run| run.to_string()));
        let tested = if event.as_deref() != Some(COMPLETED) {
            Err(match event {
                Some(event) => {
                    format!("`{event}` is not `{COMPLETED}`, after which runs are started.")
                }
                None => format!(
                    "The delivery has no `eventType`, and runs are started after `{COMPLETED}`."
                ),
            })
        } else if let Err(status) = succeeded(status, code) {
            Err(format!(
                "The dbt run did not succeed: it ended as `{status}`."
            ))
        } else {
            let finished = word(finished).and_then(|finished| Timestamp::rfc3339(&finished));
            // A time that is not set is written as the beginning of the year 1 in some languages.
            let finished = finished.filter(|finished| finished.millis() > 0);
            Ok(finished.ok_or_else(|| unreadable("`data.runFinishedAt`"))?)
        };
        Ok(Self { run, tested })
    }
}

/// Whether the run succeeded; else how it ended. By word and number, of which old deliveries have only the word; where the two differ it did
/// not.
fn succeeded(status: Option<Json<'_>>, code: Option<Json<'_>>) -> Result<(), String> {
    let status = word(status);
    let code = code.and_then(Json::number);
    let by_word = status
        .as_ref()
        .map(|status| status.eq_ignore_ascii_case(SUCCESS.1));
    let by_code = code.map(|code| code == SUCCESS.0);
    if by_word.or(by_code) == Some(true) && by_code != Some(false) {
        return Ok(());
    }
    Err(match (status, code) {
        (Some(status), _) => status,
        (None, Some(code)) => code.to_string(),
        (None, None) => "unknown".into(),
    })
}

/// The text of a string.
fn word(field: Option<Json<'_>>) -> Option<String> {
    field?.text(WORD)
}

fn unreadable(what: &str) -> Problem {
    Problem::invalid(format!("the body has no {what} as dbt's webhooks have it"))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice
    )]
    use super::*;

    #[test]
    fn signatures_are_those_of_rfc_4231() {
        let key = String::from_utf8((1..=25).collect()).unwrap();
        for (key, body, signature) in [
            (
                key,
                &[0xcd; 50][..],
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
            ),
            (
                "Jefe".into(),
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
        ] {
            assert!(signed(body, signature, &key));
            assert!(signed(body, &format!(" {signature} "), &key));
            assert!(
                signed(body, signature, &format!("another, {key}")),
                "of several secrets, any"
            );
            for wrong in [
                "",
                "0",
                &signature.to_uppercase(),
                &signature[1..],
                &format!("{signature}0"),
                &format!("sha256={signature}"),
                &format!("Bearer {signature}"),
                &signature.replace('a', "b"),
            ] {
                assert!(!signed(body, wrong, &key), "{wrong}");
            }
            assert!(!signed(&body[1..], signature, &key));
            assert!(!signed(body, signature, "another"));
        }
        assert!(!signed(b"", "", "") && !signed(b"", "", " , "));
        // What an empty secret would give is nobody's signature.
        assert!(!signed(
            b"",
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad",
            ","
        ));
    }

    /// As dbt documents it, with the status and what follows it as given.
    fn delivery(event: &str, rest: &str) -> String {
        format!(
            r#"{{
  "accountId": 1,
  "webhookId": "wsu_12345abcde",
  "eventId": "wev_2L6ZDoilyiWzKkSA59Gmc2d7FDD",
  "timestamp": "2023-01-31T19:29:35.789265936Z",
  "eventType": "{event}",
  "webhookName": "test",
  "data": {{
    "jobId": "123",
    "jobName": "Daily Job (dbt build)",
    "runId": "12345",
    "environmentId": "1234",
    "environmentName": "Production",
    "dbtVersion": "1.0.0",
    "projectName": "Snowflake Github Demo",
    "projectId": "167194",
    {rest},
    "runStatusMessage": "None",
    "runReason": "Kicked off from UI by test@test.com",
    "runStartedAt": "2023-01-31T19:28:07Z"
  }}
}}"#
        )
    }

    fn read(event: &str, rest: &str) -> Result<Result<Timestamp, String>, u16> {
        let delivery =
            Delivery::read(delivery(event, rest).as_bytes()).map_err(|problem| problem.status)?;
        assert_eq!(delivery.run.as_deref(), Some("12345"));
        Ok(delivery.tested)
    }

    const FINISHED: &str = r#""runFinishedAt": "2023-01-31T19:29:32Z""#;

    #[test]
    fn a_run_that_succeeded_is_told_from_every_other() {
        let finished = Timestamp::rfc3339("2023-01-31T19:29:32Z").unwrap();
        for status in [
            r#""runStatus": "Success", "runStatusCode": 10"#,
            r#""runStatus": "Success""#,
            r#""runStatusCode": 10"#,
            r#""runStatus": "success", "runStatusCode": "10""#,
            r#""runStatus": null, "runStatusCode": 10"#,
        ] {
            assert_eq!(
                read(COMPLETED, &format!("{status}, {FINISHED}")),
                Ok(Ok(finished)),
                "{status}"
            );
        }
        for (status, says) in [
            (
                r#""runStatus": "Errored", "runStatusCode": 20"#,
                "`Errored`",
            ),
            (
                r#""runStatus": "Cancelled", "runStatusCode": 30"#,
                "`Cancelled`",
            ),
            (r#""runStatusCode": 20"#, "`20`"),
            (
                r#""runStatus": "Success", "runStatusCode": 20"#,
                "`Success`",
            ),
            (
                r#""runStatus": "Errored", "runStatusCode": 10"#,
                "`Errored`",
            ),
            (r#""runStatus": null, "runStatusCode": null"#, "`unknown`"),
            (r#""runStatusCode": 1e1"#, "`unknown`"),
        ] {
            let why = read(COMPLETED, &format!("{status}, {FINISHED}"))
                .unwrap()
                .unwrap_err();
            assert!(
                why.contains("did not succeed") && why.contains(says),
                "{why}"
            );
        }
    }

    #[test]
    fn other_events_say_nothing_about_success() {
        for (event, rest) in [
            (
                "job.run.started",
                r#""runStatus": "Running", "runStatusCode": 3"#,
            ),
            (
                "job.run.errored",
                r#""runStatus": "Errored", "runStatusCode": 20, "runErroredAt": "2023-01-31T21:15:20Z""#,
            ),
            (
                "job.run.completed2",
                &format!(r#""runStatus": "Success", "runStatusCode": 10, {FINISHED}"#),
            ),
        ] {
            assert!(read(event, rest).unwrap().unwrap_err().contains(event));
        }
        let without_data = Delivery::read(br#"{"eventType":"test"}"#)
            .unwrap_or_else(|problem| panic!("{problem:?}"));
        assert!(without_data.run.is_none() && without_data.tested.is_err());
        for body in [
            "{}",
            r#"{"eventType":7}"#,
            r#"{"eventType":null,"data":{"runStatus":"Success","runStatusCode":10}}"#,
        ] {
            let delivery =
                Delivery::read(body.as_bytes()).unwrap_or_else(|problem| panic!("{problem:?}"));
            assert!(
                delivery.tested.unwrap_err().contains("no `eventType`"),
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_no_delivery_is_refused() {
        let success = r#""runStatus": "Success", "runStatusCode": 10"#;
        for rest in [
            success.to_owned(),
            format!(r#"{success}, "runFinishedAt": null"#),
            format!(r#"{success}, "runFinishedAt": "today""#),
            format!(r#"{success}, "runFinishedAt": "0001-01-01T00:00:00Z""#),
            format!("{success}, {FINISHED}, {FINISHED}"),
        ] {
            assert_eq!(read(COMPLETED, &rest), Err(400), "{rest}");
        }
        for body in [
            "",
            "{",
            "null",
            "[]",
            r#"{"eventType":"a","eventType":"a"}"#,
            "\u{feff}{}",
        ] {
            assert_eq!(
                Delivery::read(body.as_bytes()).map_err(|problem| problem.status),
                Err(400),
                "{body}"
            );
        }
    }
}
