//! Summaries for people.

use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::HumanCount;
use tabwriter::TabWriter;
use time::UtcOffset;
use time::macros::format_description;

use super::outcome::{Content, Document, Ending};
use super::report::{Batch, Job, Problem, Recent, Report, duration, rows, timestamp};

/// Shown instead of a value that Hightouch does not report.
const UNKNOWN: &str = "-";
/// Spaces between two columns.
const GAP: usize = 2;

/// Returns a text without control characters. Text from Hightouch must not control the terminal.
pub(super) fn printable(text: &str) -> String {
    let printable = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    text.chars().map(printable).collect()
}

/// The command whose result is printed.
pub(super) struct Context<'a> {
    /// The names of the syncs, as the caller gave them.
    pub(super) syncs: &'a [String],
    /// Whether the command lists runs. Otherwise it runs the syncs.
    pub(super) lists: bool,
    /// The slug of the workspace, for links.
    pub(super) workspace: Option<&'a str>,
}

/// Prints a document to stdout, and its problems to stderr.
///
/// # Errors
/// Fails if stdout is closed.
pub(super) fn print(document: &Document, context: &Context<'_>) -> io::Result<()> {
    let mut text = TabWriter::new(Vec::new())
        .padding(GAP)
        .minwidth(0)
        .ansi(true);
    let mut problems = Vec::new();
    match &document.content {
        Content::Report(report) => print_run(&mut text, &Summary::of_report(report))?,
        Content::Problem(problem) => {
            if problem.run_id.is_some() {
                print_run(&mut text, &Summary::of_problem(problem, context))?;
            }
            problems.push((context.syncs.join(", "), problem));
        }
        Content::Batch(batch) => {
            print_batch(&mut text, batch, context)?;
            for entry in &batch.runs {
                if let Some(problem) = &entry.problem {
                    problems.push((entry.sync.to_string(), problem));
                }
            }
        }
        Content::Recent(recent) => print_recent(&mut text, recent)?,
    }
    let text = text
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))?;
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(&text)?;
    stdout.flush()?;
    for (sync, problem) in problems {
        let what = if context.lists {
            format!("the runs of sync {sync} could not be listed")
        } else {
            let result = match problem.ending() {
                Ending::Unconfirmed => "may still be running",
                Ending::Usage => "was not run",
                _ if problem.kind == "not-started" => "was not started",
                Ending::Success | Ending::Failed => "did not succeed",
            };
            format!("sync {sync} {result}")
        };
        error(&printable(&format!("{what}: {}", line(problem))));
    }
    if document.ending() == Ending::Unconfirmed {
        anstream::eprintln!(
            "note: A run is in progress, or may have been started. Check with `hightouch-sync runs SYNC` before you run a sync again."
        );
    }
    Ok(())
}

/// Prints an error to stderr.
pub(super) fn error(message: &str) {
    let style = AnsiColor::Red.on_default().bold();
    anstream::eprintln!("{style}error:{style:#} {message}");
}

/// Returns a problem as one line.
fn line(problem: &Problem) -> String {
    let details = problem
        .details
        .as_ref()
        .map(|details| format!(" ({details})"))
        .unwrap_or_default();
    match (problem.sync_id, problem.run_id) {
        // The details of a failed run contain its IDs already.
        (Some(sync), Some(run)) if problem.kind != "sync-failed" => {
            format!("{}{details} [run {run} of sync {sync}]", problem.detail)
        }
        _ => format!("{}{details}", problem.detail),
    }
}

/// The summary of one run.
struct Summary<'a> {
    sync: Option<u64>,
    run: Option<u64>,
    status: Status,
    is_joined: bool,
    jobs: &'a [Job],
    url: Option<String>,
}

/// A status in words. The words distinguish the states even without the colour.
struct Status {
    words: String,
    style: Style,
}

impl Status {
    fn new(words: impl Into<String>, color: AnsiColor) -> Self {
        Self {
            words: printable(&words.into()),
            style: color.on_default(),
        }
    }

    /// Returns the status of a job, which may be in progress.
    fn of_job(status: &str) -> Self {
        match status {
            "success" => Self::new(status, AnsiColor::Green),
            "failed" | "cancelled" | "interrupted" => Self::new(status, AnsiColor::Red),
            _ => Self::new(status, AnsiColor::Yellow),
        }
    }

    fn of_problem(problem: &Problem) -> Self {
        let status = problem.jobs.last().map(|job| job.status.as_str());
        match (problem.kind.as_str(), status) {
            ("sync-failed", None | Some("failed")) => Self::new("failed", AnsiColor::Red),
            ("sync-failed", Some(status)) => {
                Self::new(format!("failed ({status})"), AnsiColor::Red)
            }
            ("still-running", status) => {
                let status = status.map(|status| format!(" ({status})"));
                let words = format!("in progress{}", status.unwrap_or_default());
                Self::new(words, AnsiColor::Yellow)
            }
            _ if problem.ending() == Ending::Unconfirmed => {
                Self::new("unconfirmed", AnsiColor::Yellow)
            }
            _ => Self::new("not started", AnsiColor::Red),
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { words, style } = self;
        write!(out, "{style}{words}{style:#}")
    }
}

impl<'a> Summary<'a> {
    fn of_report(report: &'a Report) -> Self {
        let status = match report.status.as_str() {
            "success" => Status::new("success", AnsiColor::Green),
            other => Status::new(format!("success ({other} accepted)"), AnsiColor::Green),
        };
        Self {
            status,
            ..Self::of_run(report)
        }
    }

    /// Returns the summary of a run that may be in progress.
    fn of_run(report: &'a Report) -> Self {
        Self {
            sync: Some(report.sync_id),
            run: Some(report.run_id),
            status: Status::new(
                format!("in progress ({})", report.status),
                AnsiColor::Yellow,
            ),
            is_joined: report.joined,
            jobs: &report.jobs,
            url: report.url.clone(),
        }
    }

    fn of_problem(problem: &'a Problem, context: &Context<'_>) -> Self {
        let url = |(workspace, (sync, run))| {
            // The endpoint has no `url` in problems. This URL has the form of the `url` in its
            // reports.
            format!("https://app.hightouch.com/{workspace}/syncs/{sync}/runs/{run}")
        };
        let run = problem.sync_id.zip(problem.run_id);
        Self {
            sync: problem.sync_id,
            run: problem.run_id,
            status: Status::of_problem(problem),
            is_joined: false,
            jobs: &problem.jobs,
            url: context.workspace.zip(run).map(url),
        }
    }
}

/// Numbers of rows, as texts.
struct Counts {
    added: String,
    changed: String,
    removed: String,
    rejected: String,
}

impl Counts {
    fn of(jobs: &[Job]) -> Self {
        let successful = rows(jobs, |job| job.successful_rows);
        let rejected = rows(jobs, |job| job.failed_rows);
        Self {
            added: count(successful.map(|rows| rows.added_count)),
            changed: count(successful.map(|rows| rows.changed_count)),
            removed: count(successful.map(|rows| rows.removed_count)),
            rejected: count(rejected.map(|rows| rows.total())),
        }
    }
}

fn count(number: Option<u64>) -> String {
    number.map_or_else(|| UNKNOWN.into(), |number| HumanCount(number).to_string())
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(|| UNKNOWN.into(), |value| value.to_string())
}

/// Returns the duration of a run, in tenths of a second below ten seconds.
fn duration_text(jobs: &[Job]) -> String {
    let Some(duration) = duration(jobs) else {
        return UNKNOWN.into();
    };
    if duration < Duration::from_secs(10) {
        format!("{:.1}s", duration.as_secs_f64())
    } else {
        humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
    }
}

fn print_run(out: &mut impl Write, summary: &Summary<'_>) -> io::Result<()> {
    let Counts {
        added,
        changed,
        removed,
        rejected,
    } = Counts::of(summary.jobs);
    let joined = if summary.is_joined { " (joined)" } else { "" };
    writeln!(out, "sync {}: {}", text(summary.sync), summary.status)?;
    writeln!(out, "  run\t{}{joined}", text(summary.run))?;
    writeln!(out, "  duration\t{}", duration_text(summary.jobs))?;
    writeln!(
        out,
        "  rows\t{added} added, {changed} changed, {removed} removed, {rejected} rejected"
    )?;
    if let Some(url) = &summary.url {
        writeln!(out, "  link\t{}", printable(url))?;
    }
    Ok(())
}

fn print_batch(out: &mut impl Write, batch: &Batch, context: &Context<'_>) -> io::Result<()> {
    let link = context.workspace.map_or("", |_| "\tLINK");
    writeln!(
        out,
        "SYNC\tSTATUS\tRUN\tDURATION\tADDED\tCHANGED\tREMOVED\tREJECTED{link}"
    )?;
    for entry in &batch.runs {
        let summary = match (&entry.report, &entry.problem) {
            (Some(report), _) if entry.location.is_some() => Summary::of_run(report),
            (Some(report), _) => Summary::of_report(report),
            (None, Some(problem)) => Summary::of_problem(problem, context),
            (None, None) => continue,
        };
        let Counts {
            added,
            changed,
            removed,
            rejected,
        } = Counts::of(summary.jobs);
        let link = summary.url.map(|url| format!("\t{}", printable(&url)));
        writeln!(
            out,
            "{}\t{}\t{}\t{}\t{added}\t{changed}\t{removed}\t{rejected}{}",
            printable(&entry.sync.to_string()),
            summary.status,
            text(summary.run),
            duration_text(summary.jobs),
            link.unwrap_or_default(),
        )?;
    }
    let Batch {
        succeeded,
        running,
        failed,
        runs,
    } = batch;
    writeln!(
        out,
        "{succeeded} of {} syncs: success. Failed or not started: {failed}. In progress: {running}.",
        runs.len()
    )
}

fn print_recent(out: &mut impl Write, recent: &Recent) -> io::Result<()> {
    if recent.runs.is_empty() {
        return writeln!(out, "The sync has no runs.");
    }
    writeln!(out, "RUN\tSTATUS\tSTARTED\tDURATION\tROWS\tREJECTED")?;
    for job in &recent.runs {
        let jobs = std::slice::from_ref(job);
        writeln!(
            out,
            "{}\t{}\t{}\t{}\t{}\t{}",
            job.id,
            Status::of_job(&job.status),
            started(job),
            duration_text(jobs),
            count(job.successful_rows.map(|rows| rows.total())),
            count(job.failed_rows.map(|rows| rows.total())),
        )?;
    }
    Ok(())
}

/// Returns the start of a run in UTC.
fn started(job: &Job) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    let time = job.started_at.as_deref().and_then(timestamp);
    text(time.and_then(|time| time.to_offset(UtcOffset::UTC).format(format).ok()))
}
