//! Notifications: one sentence for people, in the format that the receiver takes.

use serde_json::Value;
use uuid::Uuid;

use super::lineage::object;
use super::targets::NotifyFormat;
use crate::endpoint::response::chunked_buffer::ChunkedBuffer;
use crate::endpoint::response::problem::Problem;
use crate::endpoint::response::report::{ReportView, url};
use crate::engine::{Outcome, Report};

/// The media type and the schema of an Adaptive Card. Version 1.2 introduced `TextRun`.
const CARD: &str = "application/vnd.microsoft.card.adaptive";
const CARD_SCHEMA: &str = "http://adaptivecards.io/schemas/adaptive-card.json";

/// A sentence for people. Everything in it that comes from elsewhere has no line breaks and no
/// control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    /// The run and its status, or the hook and the kind of its problem.
    subject: String,
    /// The message of a failure or of a problem, or the row counts.
    reason: Option<String>,
    /// The URL of the run.
    url: Option<String>,
}

impl Sentence {
    /// Returns the sentence about a run that ended.
    pub(super) fn of_end(outcome: &Outcome, report: &Report, workspace: Option<&str>) -> Self {
        let (run, status) = match report {
            Report::Sync(report) => (
                format!(
                    "Hightouch sync {}, run {},",
                    report.run.sync, report.run.run
                ),
                report.status.as_str(),
            ),
            Report::Sequence(report) => (
                format!("Hightouch sequence run {}", report.run.id),
                report.run.status.as_str(),
            ),
        };
        let status = on_one_line(status);
        let (subject, reason) = match outcome {
            Ok(_) => (format!("{run} succeeded ({status})"), rows(report)),
            Err(failure) => (
                format!("{run} ended as {status}"),
                Some(on_one_line(&failure.message)),
            ),
        };
        Self {
            subject,
            reason,
            url: match (workspace, report) {
                (Some(workspace), Report::Sync(report)) => Some(url(workspace, report.run)),
                _ => None,
            },
        }
    }

    /// Returns the sentence about a dbt delivery that ended in a problem. `sync` is the sync as the
    /// hook's path names it.
    pub(super) fn of_dbt_problem(sync: &str, problem: &Problem) -> Self {
        Self {
            subject: format!(
                "The dbt hook of Hightouch sync {sync} ended in a problem ({})",
                problem.kind
            ),
            reason: Some(on_one_line(problem.detail())),
            url: None,
        }
    }

    /// Returns the sentence without escapes, and without the URL.
    fn plain(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{}: {reason}", self.subject),
            None => format!("{}.", self.subject),
        }
    }

    /// Returns the sentence for receivers that read mentions and links in a text.
    fn escaped(&self) -> String {
        let text = escape(&self.plain());
        match &self.url {
            Some(url) => format!("{text} {url}"),
            None => text,
        }
    }
}

/// Returns the row counts of a run that succeeded, if they are known.
fn rows(report: &Report) -> Option<String> {
    let Report::Sync(report) = report else {
        return None;
    };
    let (successful, rejected) = (report.successful_rows()?, report.rejected_rows()?);
    Some(format!("{successful} rows accepted, {rejected} rejected."))
}

/// Replaces line breaks and other control characters with blanks.
fn on_one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Escapes a text so that it mentions nobody, and so that no words hide the target of a link.
///
/// Slack reads `<!channel>`, `<@user>` and `<url|text>` unless `&`, `<` and `>` are escaped
/// (<https://docs.slack.dev/messaging/formatting-message-text#escaping>), and so does Google Chat.
/// Mattermost and Discord also read `@channel` and `@name` at the start of a word, and
/// `[text](url)`. A zero-width space after the `@` and after the `]` prevents that.
fn escape(text: &str) -> String {
    const ZERO_WIDTH_SPACE: char = '\u{200b}';
    let mut escaped = String::with_capacity(text.len());
    let mut before = None;
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            ']' => escaped.extend([']', ZERO_WIDTH_SPACE]),
            '@' if !before.is_some_and(char::is_alphanumeric) => {
                escaped.extend(['@', ZERO_WIDTH_SPACE]);
            }
            other => escaped.push(other),
        }
        before = Some(character);
    }
    escaped
}

/// The structured part of a notification in the format `json`.
pub(super) enum Attachment<'a> {
    Report(ReportView<'a>),
    Problem(&'a Problem),
}

/// Returns the body of a notification.
pub(super) fn body(
    format: NotifyFormat,
    sentence: &Sentence,
    id: Option<Uuid>,
    attachment: &Attachment<'_>,
) -> ChunkedBuffer {
    match format {
        NotifyFormat::Json => structured(sentence, id, attachment),
        // Google Chat rejects fields other than `text`. Slack and Mattermost take `text` too.
        NotifyFormat::Text => {
            ChunkedBuffer::json(&object(vec![("text", sentence.escaped().into())]))
        }
        NotifyFormat::Teams => ChunkedBuffer::json(&teams_message(sentence)),
    }
}

fn structured(sentence: &Sentence, id: Option<Uuid>, attachment: &Attachment<'_>) -> ChunkedBuffer {
    let mut body = ChunkedBuffer::of("{\"text\":");
    body.push_json(&sentence.escaped());
    if let Some(id) = id {
        body.push(format!(",\"id\":\"{id}\"").as_bytes());
    }
    match attachment {
        Attachment::Report(report) => {
            body.push(b",\"report\":");
            body.push_json(report);
        }
        Attachment::Problem(problem) => {
            body.push(b",\"problem\":");
            body.push_json(problem);
        }
    }
    body.push(b"}");
    body
}

/// Returns the message that the workflows of Microsoft Teams expect: one Adaptive Card.
///
/// The text is a `TextRun`, which has no Markdown. So the text needs no escapes.
fn teams_message(sentence: &Sentence) -> Value {
    let text = object(vec![
        ("type", "TextRun".into()),
        ("text", sentence.plain().into()),
    ]);
    let block = object(vec![
        ("type", "RichTextBlock".into()),
        ("inlines", Value::Array(vec![text])),
    ]);
    let open = sentence.url.as_deref().map(|url| {
        Value::Array(vec![object(vec![
            ("type", "Action.OpenUrl".into()),
            ("title", "Open in Hightouch".into()),
            ("url", url.into()),
        ])])
    });
    let card = object(vec![
        ("$schema", CARD_SCHEMA.into()),
        ("type", "AdaptiveCard".into()),
        ("version", "1.2".into()),
        ("body", Value::Array(vec![block])),
        ("actions", open.unwrap_or_default()),
    ]);
    let attachment = object(vec![("contentType", CARD.into()), ("content", card)]);
    object(vec![
        ("type", "message".into()),
        ("attachments", Value::Array(vec![attachment])),
    ])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::json;

    use super::*;
    use crate::engine::{Failure, FailureKind, SyncReport};
    use crate::hightouch::{RunRef, RunStatus};

    fn report(status: RunStatus) -> Report {
        Report::Sync(SyncReport {
            run: RunRef {
                sync: 1.try_into().unwrap(),
                run: 42.try_into().unwrap(),
            },
            status,
            jobs: Vec::new(),
            joined: false,
            requests: 3,
            elapsed: core::time::Duration::ZERO,
        })
    }

    fn failure(status: RunStatus, message: &str) -> Failure {
        Failure {
            report: Some(report(status)),
            ..Failure::unsent(FailureKind::SyncFailed, message)
        }
    }

    fn json_of(format: NotifyFormat, failure: &Failure) -> Value {
        let report = failure.report.clone().unwrap();
        let sentence = Sentence::of_end(&Err(failure.clone()), &report, Some("acme"));
        let problem = Problem::from(failure.clone());
        let body = body(
            format,
            &sentence,
            Some(Uuid::nil()),
            &Attachment::Problem(&problem),
        );
        serde_json::from_slice(&body.into_bytes()).unwrap()
    }

    const URL: &str = "https://app.hightouch.com/acme/syncs/1/runs/42";

    #[test]
    fn each_format_has_the_fields_that_its_receiver_takes() {
        let failure = failure(RunStatus::Failed, "No such table.");
        let text = format!("Hightouch sync 1, run 42, ended as failed: No such table. {URL}");
        assert_eq!(
            json_of(NotifyFormat::Text, &failure),
            json!({ "text": text })
        );
        let structured = json_of(NotifyFormat::Json, &failure);
        assert_eq!(structured["text"], text);
        assert_eq!(structured["id"], Uuid::nil().to_string());
        assert_eq!(structured["problem"]["kind"], "sync-failed");
        assert_eq!(structured["problem"]["runId"], 42);
        let card = &json_of(NotifyFormat::Teams, &failure)["attachments"][0];
        assert_eq!(
            card["contentType"],
            "application/vnd.microsoft.card.adaptive"
        );
        assert_eq!(
            card["content"]["body"][0]["inlines"][0]["text"],
            "Hightouch sync 1, run 42, ended as failed: No such table."
        );
        assert_eq!(card["content"]["actions"][0]["url"], URL);
    }

    #[test]
    fn a_text_of_hightouch_mentions_nobody_and_hides_no_link() {
        for (text, escaped) in [
            (
                "<!channel> & <@U1>",
                "&lt;!channel&gt; &amp; &lt;@\u{200b}U1&gt;",
            ),
            ("@here, (@all) @", "@\u{200b}here, (@\u{200b}all) @\u{200b}"),
            ("mail to a@example.com", "mail to a@example.com"),
            (
                "[text](https://evil.example)",
                "[text]\u{200b}(https://evil.example)",
            ),
            ("two\r\nlines\tand\u{0}more\u{2028}", "two lines and more"),
        ] {
            let json = json_of(NotifyFormat::Text, &failure(RunStatus::Failed, text));
            let expected = format!("Hightouch sync 1, run 42, ended as failed: {escaped} {URL}");
            assert_eq!(json["text"], expected);
            // An unknown status is also text from Hightouch.
            let unknown = failure(RunStatus::Other(text.into()), "x");
            let json = json_of(NotifyFormat::Text, &unknown);
            let expected = format!("Hightouch sync 1, run 42, ended as {escaped}: x {URL}");
            assert_eq!(json["text"], expected);
        }
    }
}
