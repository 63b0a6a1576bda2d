//! The outcome of a command, and its exit code.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::report::{Batch, Problem, Recent, Report};

/// How a command ended. Each has its own exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Everything succeeded.
    Success,
    /// A run failed, or was not started.
    Failed,
    /// The arguments are invalid. Nothing was started.
    Usage,
    /// A run is in progress, or may have been started.
    Unconfirmed,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(match ending {
            Ending::Success => 0_u8,
            Ending::Failed => 1,
            // clap's own code.
            Ending::Usage => 2,
            Ending::Unconfirmed => 3,
        })
    }
}

/// The description of the exit codes in `--help`.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  success: every run succeeded
  1  failure: a run failed or was not started, and no run is left in progress
  2  usage: an argument is invalid. No run was started
  3  unconfirmed: a run is still in progress, or may have been started. Do not repeat the command
     before you have checked. `hightouch-sync runs SYNC` lists the recent runs";

/// A JSON document from the endpoint: its text, which `--json` prints, and its content.
pub(super) struct Document {
    pub(super) text: String,
    pub(super) content: Content,
}

/// The content of a document.
pub(super) enum Content {
    /// The report of a run that succeeded.
    Report(Report),
    /// The results of several syncs.
    Batch(Batch),
    /// The recent runs of a sync.
    Recent(Recent),
    /// A problem. The document has no report then.
    Problem(Problem),
}

impl Document {
    /// Returns a problem that this program reports itself.
    pub(super) fn problem(kind: &str, title: &str, detail: &str, run: Option<(u64, u64)>) -> Self {
        let mut value = json!({
            "type": format!("urn:hightouch-sync:problem:{kind}"),
            "title": title,
            "detail": detail,
            "kind": kind,
        });
        if let (Some((sync, run)), Value::Object(fields)) = (run, &mut value) {
            fields.insert("syncId".into(), sync.into());
            fields.insert("runId".into(), run.into());
        }
        Self {
            text: value.to_string(),
            content: Content::Problem(Problem {
                kind: kind.into(),
                detail: detail.into(),
                details: None,
                sync_id: run.map(|(sync, _)| sync),
                run_id: run.map(|(_, run)| run),
                jobs: Vec::new(),
            }),
        }
    }

    /// Returns how the command ended.
    pub(super) fn ending(&self) -> Ending {
        match &self.content {
            Content::Report(_) | Content::Recent(_) => Ending::Success,
            Content::Problem(problem) => problem.ending(),
            Content::Batch(batch) => batch.ending(),
        }
    }
}

impl Problem {
    /// Returns how the command ended.
    pub(super) fn ending(&self) -> Ending {
        match self.kind.as_str() {
            "invalid-input" => Ending::Usage,
            "still-running" | "trigger-unconfirmed" => Ending::Unconfirmed,
            // The run of `busy` is the run of another caller.
            "sync-failed" | "busy" | "not-started" => Ending::Failed,
            // Hightouch has named the run, but its end is not known.
            _ if self.run_id.is_some() => Ending::Unconfirmed,
            _ => Ending::Failed,
        }
    }
}

impl Batch {
    /// Returns how the command ended. A run that may be in progress outweighs a failure, because
    /// the caller must not simply repeat the command.
    fn ending(&self) -> Ending {
        let is_unconfirmed = |problem: &Problem| problem.ending() == Ending::Unconfirmed;
        let mut problems = self.runs.iter().filter_map(|entry| entry.problem.as_ref());
        if self.running > 0 || problems.any(is_unconfirmed) {
            Ending::Unconfirmed
        } else if self.failed > 0 {
            Ending::Failed
        } else {
            Ending::Success
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_with_a_run_that_may_be_in_progress_is_unconfirmed() {
        let ending = |kind: &str, run| Document::problem(kind, "", "", run).ending();
        let run = Some((1, 15));
        for (kind, without_run, with_run) in [
            ("invalid-input", Ending::Usage, Ending::Usage),
            ("sync-failed", Ending::Failed, Ending::Failed),
            ("busy", Ending::Failed, Ending::Failed),
            ("not-started", Ending::Failed, Ending::Failed),
            ("still-running", Ending::Unconfirmed, Ending::Unconfirmed),
            (
                "trigger-unconfirmed",
                Ending::Unconfirmed,
                Ending::Unconfirmed,
            ),
            ("unreachable", Ending::Failed, Ending::Unconfirmed),
            ("unauthorized", Ending::Failed, Ending::Unconfirmed),
            ("not-found", Ending::Failed, Ending::Unconfirmed),
        ] {
            assert_eq!(ending(kind, None), without_run, "{kind}");
            assert_eq!(ending(kind, run), with_run, "{kind}");
        }
    }
}
