//! Notifications: one sentence for people, in the format that the receiver takes.

use serde::Serialize;
use uuid::Uuid;

use super::targets::NotifyFormat;
use crate::endpoint::response::problem::Problem;
use crate::endpoint::response::report::{ReportView, url};
use crate::engine::{Failure, Outcome, Report};

/// A sentence for people. Everything in it that comes from elsewhere has no line breaks and no
/// control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    /// The part that this project writes, with IDs and statuses.
    subject: String,
    /// What Hightouch says, or the message of a problem.
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

    /// Returns the sentence about a delivery of dbt that ended in a problem. `sync` is the sync as
    /// the hook's path names it.
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

    /// Returns the sentence without escapes.
    fn plain(&self) -> String {
        self.with_reason(self.reason.as_deref())
    }

    /// Returns the sentence for receivers that read mentions and links in a text.
    fn escaped(&self) -> String {
        self.with_reason(self.reason.as_deref().map(escape).as_deref())
    }

    fn with_reason(&self, reason: Option<&str>) -> String {
        let mut text = self.subject.clone();
        match reason {
            Some(reason) => {
                text += ": ";
                text += reason;
            }
            None => text.push('.'),
        }
        if let Some(url) = &self.url {
            text.push(' ');
            text += url;
        }
        text
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

/// Replaces line breaks and other control characters by blanks.
fn on_one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Escapes a text so that it notifies nobody and links to nothing.
///
/// Slack reads `<!channel>`, `<@user>` and `<url|text>` unless `&`, `<` and `>` are escaped
/// (<https://docs.slack.dev/messaging/formatting-message-text#escaping>), and so does Google Chat.
/// Mattermost reads `@channel` and `@name` at the start of a word. A zero-width space after the
/// `@` ends the mention.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut before = None;
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '@' => {
                escaped.push('@');
                if !before.is_some_and(char::is_alphanumeric) {
                    escaped.push('\u{200b}');
                }
            }
            other => escaped.push(other),
        }
        before = Some(character);
    }
    escaped
}

/// The structured part of a notification in the format `json`.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Attachment<'a> {
    Report(ReportView<'a>),
    Problem(&'a Problem),
}

/// Returns the body of a notification.
pub(super) fn body(
    format: NotifyFormat,
    sentence: &Sentence,
    id: Option<Uuid>,
    attachment: Attachment<'_>,
) -> Vec<u8> {
    // Every value here can be serialized.
    let json = match format {
        NotifyFormat::Json => serde_json::to_vec(&Structured {
            text: sentence.escaped(),
            id,
            attachment,
        }),
        NotifyFormat::Text => serde_json::to_vec(&Text {
            text: sentence.escaped(),
        }),
        NotifyFormat::Teams => serde_json::to_vec(&TeamsMessage::new(sentence)),
    };
    json.unwrap_or_default()
}

#[derive(Serialize)]
struct Structured<'a> {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Uuid>,
    #[serde(flatten)]
    attachment: Attachment<'a>,
}

/// Google Chat rejects unknown fields beside `text`. Slack and Mattermost take `text` too.
#[derive(Serialize)]
struct Text {
    text: String,
}

/// The message that the workflows of Microsoft Teams expect: one Adaptive Card.
#[derive(Serialize)]
struct TeamsMessage {
    r#type: &'static str,
    attachments: [TeamsAttachment; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TeamsAttachment {
    content_type: &'static str,
    content: Card,
}

#[derive(Serialize)]
struct Card {
    #[serde(rename = "$schema")]
    schema: &'static str,
    r#type: &'static str,
    version: &'static str,
    body: [RichTextBlock; 1],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<OpenUrl>,
}

/// A text without Markdown, so that no text of Hightouch is read as a link.
#[derive(Serialize)]
struct RichTextBlock {
    r#type: &'static str,
    inlines: [TextRun; 1],
}

#[derive(Serialize)]
struct TextRun {
    r#type: &'static str,
    text: String,
}

#[derive(Serialize)]
struct OpenUrl {
    r#type: &'static str,
    title: &'static str,
    url: String,
}

impl TeamsMessage {
    fn new(sentence: &Sentence) -> Self {
        let text = Sentence {
            url: None,
            ..sentence.clone()
        };
        let open = |url: &String| OpenUrl {
            r#type: "Action.OpenUrl",
            title: "Open in Hightouch",
            url: url.clone(),
        };
        Self {
            r#type: "message",
            attachments: [TeamsAttachment {
                content_type: "application/vnd.microsoft.card.adaptive",
                content: Card {
                    schema: "http://adaptivecards.io/schemas/adaptive-card.json",
                    r#type: "AdaptiveCard",
                    version: "1.2",
                    body: [RichTextBlock {
                        r#type: "RichTextBlock",
                        inlines: [TextRun {
                            r#type: "TextRun",
                            text: text.plain(),
                        }],
                    }],
                    actions: sentence.url.iter().map(open).collect(),
                },
            }],
        }
    }
}

/// Returns the failure of an outcome, if there is one.
pub(super) fn failure_of(outcome: &Outcome) -> Option<&Failure> {
    outcome.as_ref().err()
}
