//! Deliveries of dbt's webhooks (<https://docs.getdbt.com/docs/deploy/webhooks>).

use hmac_sha256::HMAC;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use subtle::{Choice, ConstantTimeEq as _};

use crate::endpoint::response::problem::Problem;
use crate::hightouch::Timestamp;

/// The event after which a run is started. dbt sends `job.run.started` before it, and
/// `job.run.errored` in addition to it if the run failed.
const COMPLETED: &str = "job.run.completed";
/// `data.runStatusCode` of a run that succeeded, including all tests of the job.
const SUCCESS_CODE: u64 = 10;
/// `data.runStatus` of a run that succeeded.
const SUCCESS_STATUS: &str = "Success";
/// Maximum length of a text that is kept, in bytes. Real IDs and statuses are far shorter.
const MAX_TEXT: usize = 128;

/// Returns whether a body was signed with one of these secrets.
///
/// `Authorization` contains the HMAC-SHA256 of the body in lower-case hexadecimal digits. The
/// duration of the check depends only on the number of secrets.
pub(in crate::endpoint) fn is_signed(body: &[u8], signature: &str, secrets: &str) -> bool {
    let signature = signature.trim_ascii().as_bytes();
    let mut is_signed = Choice::from(0);
    for secret in secrets.split(',').map(str::trim_ascii) {
        if secret.is_empty() {
            continue;
        }
        let mut expected = String::with_capacity(64);
        for byte in HMAC::mac(body, secret) {
            expected += &format!("{byte:02x}");
        }
        is_signed |= expected.as_bytes().ct_eq(signature);
    }
    is_signed.into()
}

/// The content of a delivery.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::endpoint) struct Delivery {
    /// The ID of the dbt run.
    pub(in crate::endpoint) run: Option<String>,
    /// For a success, when the run ended; `None` if the delivery does not say. Otherwise, why no
    /// run of the sync is needed.
    pub(in crate::endpoint) tested: Result<Option<Timestamp>, String>,
}

/// The fields of a delivery. A field of an unexpected type counts as missing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(default, deserialize_with = "text")]
    event_type: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// The fields of `data`.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Data {
    #[serde(deserialize_with = "text_or_number")]
    run_id: Option<String>,
    #[serde(deserialize_with = "text")]
    run_status: Option<String>,
    #[serde(deserialize_with = "number")]
    run_status_code: Option<u64>,
    #[serde(deserialize_with = "text")]
    run_finished_at: Option<String>,
}

/// Reads a JSON object. Serde would read the fields from an array too.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    let is_object = text.trim_ascii_start().starts_with('{');
    serde_json::from_str(text).ok().filter(|_| is_object)
}

fn text<'de, D: Deserializer<'de>>(field: D) -> Result<Option<String>, D::Error> {
    <&RawValue>::deserialize(field).map(as_text)
}

fn number<'de, D: Deserializer<'de>>(field: D) -> Result<Option<u64>, D::Error> {
    let value = <&RawValue>::deserialize(field)?;
    Ok(as_number(value).or_else(|| as_text(value)?.parse().ok()))
}

fn text_or_number<'de, D: Deserializer<'de>>(field: D) -> Result<Option<String>, D::Error> {
    let value = <&RawValue>::deserialize(field)?;
    Ok(as_number(value)
        .map(|number| number.to_string())
        .or_else(|| as_text(value)))
}

/// Returns the text of a string, cut to at most [`MAX_TEXT`] bytes; `None` for any other value.
fn as_text(value: &RawValue) -> Option<String> {
    let mut text: String = serde_json::from_str(value.get()).ok()?;
    text.truncate(text.floor_char_boundary(MAX_TEXT));
    Some(text)
}

fn as_number(value: &RawValue) -> Option<u64> {
    serde_json::from_str(value.get()).ok()
}

impl Delivery {
    /// Reads a body. No field is required.
    ///
    /// # Errors
    ///
    /// Returns a problem if the body is not a delivery.
    pub(in crate::endpoint) fn read(body: &[u8]) -> Result<Self, Problem> {
        let body = core::str::from_utf8(body).ok();
        let envelope: Option<Envelope<'_>> = body.and_then(object);
        let envelope = envelope.ok_or_else(|| incomplete("it is not a JSON object"))?;
        let data = match envelope.data.map(RawValue::get) {
            Some(data) if data.starts_with('{') => {
                object(data).ok_or_else(|| incomplete("its `data` cannot be read"))?
            }
            _ => Data::default(),
        };
        Ok(Self {
            tested: Self::tested(envelope.event_type.as_deref(), &data),
            run: data.run_id,
        })
    }

    /// Returns the problem of a delivery that reports a success without the time of its end.
    pub(in crate::endpoint) fn without_end() -> Problem {
        incomplete("its `data.runFinishedAt` is missing or is not a time")
    }

    /// Returns when the run ended, if it succeeded; otherwise why no run of the sync is needed.
    fn tested(event: Option<&str>, data: &Data) -> Result<Option<Timestamp>, String> {
        match event {
            Some(COMPLETED) => {}
            Some(event) => {
                return Err(format!(
                    "The event is `{event}`. A run is started after `{COMPLETED}` only."
                ));
            }
            None => {
                return Err(format!(
                    "The delivery has no `eventType`. A run is started after `{COMPLETED}` only."
                ));
            }
        }
        if let Some(status) = data.failure() {
            return Err(format!(
                "The dbt run did not succeed: it ended as `{status}`."
            ));
        }
        let finished = data.run_finished_at.as_deref().and_then(Timestamp::rfc3339);
        // Some languages write an unset time as the beginning of the year 1.
        Ok(finished.filter(|finished| finished.millis() > 0))
    }
}

impl Data {
    /// Returns how the run ended, unless it succeeded.
    ///
    /// Old deliveries have the status only, without the code. If the two differ, the run did not
    /// succeed.
    fn failure(&self) -> Option<String> {
        let by_status = self
            .run_status
            .as_ref()
            .map(|status| status.eq_ignore_ascii_case(SUCCESS_STATUS));
        let by_code = self.run_status_code.map(|code| code == SUCCESS_CODE);
        if by_status.or(by_code) == Some(true) && by_code != Some(false) {
            return None;
        }
        let code = self.run_status_code.map(|code| code.to_string());
        Some(
            self.run_status
                .clone()
                .or(code)
                .unwrap_or_else(|| "unknown".into()),
        )
    }
}

fn incomplete(why: &str) -> Problem {
    Problem::invalid(format!("the body is not a complete dbt delivery: {why}"))
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
            assert!(is_signed(body, signature, &key));
            assert!(is_signed(body, &format!(" {signature} "), &key));
            assert!(
                is_signed(body, signature, &format!("another, {key}")),
                "any of several secrets is accepted"
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
                assert!(!is_signed(body, wrong, &key), "{wrong}");
            }
            assert!(!is_signed(&body[1..], signature, &key));
            assert!(!is_signed(body, signature, "another"));
        }
        assert!(!is_signed(b"", "", "") && !is_signed(b"", "", " , "));
        // An empty secret is ignored: its signature of this body is rejected.
        assert!(!is_signed(
            b"",
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad",
            ","
        ));
    }

    /// Returns a delivery in the format that dbt documents. `rest` has the status and the end of
    /// the run.
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

    fn read(event: &str, rest: &str) -> Result<Result<Option<Timestamp>, String>, u16> {
        let delivery =
            Delivery::read(delivery(event, rest).as_bytes()).map_err(|problem| problem.status)?;
        assert_eq!(delivery.run.as_deref(), Some("12345"));
        Ok(delivery.tested)
    }

    const FINISHED: &str = r#""runFinishedAt": "2023-01-31T19:29:32Z""#;

    #[test]
    fn a_run_that_succeeded_is_distinguished_from_all_others() {
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
                Ok(Ok(Some(finished))),
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
    fn a_success_can_lack_its_end() {
        let success = r#""runStatus": "Success", "runStatusCode": 10"#;
        for rest in [
            success.to_owned(),
            format!(r#"{success}, "runFinishedAt": null"#),
            format!(r#"{success}, "runFinishedAt": "today""#),
            format!(r#"{success}, "runFinishedAt": "0001-01-01T00:00:00Z""#),
        ] {
            assert_eq!(read(COMPLETED, &rest), Ok(Ok(None)), "{rest}");
        }
    }

    #[test]
    fn a_body_that_is_not_a_delivery_is_rejected() {
        let success = r#""runStatus": "Success", "runStatusCode": 10"#;
        let twice = format!("{success}, {FINISHED}, {FINISHED}");
        assert_eq!(read(COMPLETED, &twice), Err(400));
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
