//! Builds the messages about the runs of one request.

use uuid::Uuid;

use super::lineage::{self, Content, EventType, Facts};
use super::lineage_parent::LineageParent;
use super::notification::{self, Attachment, Sentence};
use super::outbox::{Channel, Message, Outbox, Subject, Try, Undelivered};
use super::run_id::{delivery_id, run_id};
use super::targets::{Consumer, Lineage, Notify, Targets};
use crate::endpoint::response::chunked_buffer::ChunkedBuffer;
use crate::endpoint::response::presenter::Presenter;
use crate::endpoint::response::problem::Problem;
use crate::engine::{Details, DetailsReader, Event, Instant, Outcome, Report, report_of};
use crate::hightouch::{ApiKey, Destination, Origin, SequenceId, SyncId, SyncRef, Timestamp};
use crate::host::Redact as _;

/// Reports the runs of one request.
#[derive(Debug)]
pub(in crate::endpoint) struct Reporter {
    lineage: Option<Lineage>,
    notify: Option<Notify>,
    /// The origin of Hightouch's API.
    origin: Origin,
    /// The slug of the workspace.
    workspace: Option<String>,
    /// The secrets that no message may contain.
    secrets: Vec<ApiKey>,
    /// The run that caused the runs of this request.
    parent: Option<LineageParent>,
    /// The sequence of the request, if it is known.
    sequence: Option<SequenceId>,
    details: DetailsReader,
    /// The runs whose events have not been built.
    runs: Vec<Run>,
    /// The runs whose ends were reported by notifications. Two operations can have joined one run.
    notified: Vec<Uuid>,
    outbox: Outbox,
}

/// The context of a request's runs.
#[derive(Debug)]
pub(in crate::endpoint) struct Scope {
    pub(in crate::endpoint) origin: Origin,
    pub(in crate::endpoint) workspace: Option<String>,
    pub(in crate::endpoint) secrets: Vec<ApiKey>,
    pub(in crate::endpoint) parent: Option<LineageParent>,
    pub(in crate::endpoint) sequence: Option<SequenceId>,
}

/// A run whose events have not been built.
#[derive(Debug)]
struct Run {
    id: Uuid,
    subject: Subject,
    /// The sync whose details the events contain.
    sync: Option<SyncId>,
    /// The name of the job, unless the details contain a slug.
    name: String,
    /// The state of the run when it became known, until the event is built.
    start: Option<Facts>,
    end: Option<End>,
}

/// The end of a run.
#[derive(Debug)]
struct End {
    event_type: EventType,
    facts: Facts,
    /// Why the run did not succeed.
    error: Option<String>,
}

impl Reporter {
    /// Returns a reporter; `None` if nothing is reported.
    pub(in crate::endpoint) fn new(targets: Targets, scope: Scope) -> Option<Self> {
        let Targets {
            lineage,
            notify,
            follow: _,
        } = targets;
        if lineage.is_none() && notify.is_none() {
            return None;
        }
        let Scope {
            origin,
            workspace,
            mut secrets,
            mut parent,
            sequence,
        } = scope;
        secrets.extend(notify.iter().flat_map(|notify| notify.consumer.secrets()));
        if let Some(LineageParent { namespace, job, .. }) = &mut parent {
            redact(namespace, &secrets);
            redact(job, &secrets);
        }
        Some(Self {
            lineage,
            notify,
            origin,
            workspace,
            secrets,
            parent,
            sequence,
            details: DetailsReader::default(),
            runs: Vec::new(),
            notified: Vec::new(),
            outbox: Outbox::default(),
        })
    }

    /// Records that the request has started or adopted a run. `sync` is the sync as the caller
    /// named it, and `time` is Hightouch's time.
    pub(in crate::endpoint) fn started(
        &mut self,
        sync: Option<&SyncRef>,
        mut report: Report,
        time: Option<Timestamp>,
    ) {
        if self.lineage.is_none() {
            return;
        }
        self.secrets.iter().for_each(|secret| report.redact(secret));
        let facts = Facts::of(&report, time, self.workspace.as_deref());
        if let Some(run) = self.run(sync, &report) {
            run.start = Some(facts);
        }
    }

    /// Records the outcome of an operation. `has_seen_progress` says whether the request has
    /// started the run or has seen it in progress. `time` is Hightouch's time.
    pub(in crate::endpoint) fn ended(
        &mut self,
        sync: Option<&SyncRef>,
        mut outcome: Outcome,
        has_seen_progress: bool,
        time: Option<Timestamp>,
        presenter: &Presenter,
    ) {
        let Some(event_type) = lineage::end_of(&outcome, presenter.warnings) else {
            return;
        };
        self.secrets.iter().for_each(|secret| match &mut outcome {
            Ok(report) => report.redact(secret),
            Err(failure) => failure.redact(secret),
        });
        let error = error(event_type, &outcome);
        if has_seen_progress {
            self.notify_end(&outcome, presenter);
        }
        let Some(report) = report_of(&outcome).filter(|_| self.lineage.is_some()) else {
            return;
        };
        let facts = Facts::of(report, time, self.workspace.as_deref());
        if let Some(run) = self.run(sync, report) {
            run.end = Some(End {
                event_type,
                facts,
                error,
            });
        }
    }

    /// Records that a dbt delivery that reports a success ended in a problem. `sync` is the sync
    /// as the hook's path names it.
    pub(in crate::endpoint) fn dbt_problem(
        &mut self,
        sync: &SyncRef,
        dbt_run: Option<&str>,
        problem: &Problem,
    ) {
        let mut problem = problem.clone();
        self.secrets
            .iter()
            .for_each(|secret| problem.redact(secret));
        let mut sync = sync.to_string();
        let id = dbt_run.map(|dbt_run| delivery_id(&self.origin, &sync, dbt_run));
        redact(&mut sync, &self.secrets);
        let sentence = Sentence::of_dbt_problem(&sync, &problem);
        let subject = Subject {
            sync: Some(sync),
            ..Subject::default()
        };
        self.notify(subject, &sentence, id, &Attachment::Problem(&problem));
    }

    /// Returns the reader of the details that the events contain.
    pub(in crate::endpoint) fn details(&mut self) -> &mut DetailsReader {
        &mut self.details
    }

    /// Returns the next try that is to be sent now, and its receiver.
    pub(in crate::endpoint) fn next_try(&mut self, now: Instant) -> Option<(Try, &Consumer)> {
        self.build_events();
        let next = self.outbox.next_try(now)?;
        let consumer = self.consumer(next.channel)?;
        Some((next, consumer))
    }

    /// Returns when the next try is due; `None` if that depends on replies.
    pub(in crate::endpoint) fn wake_at(&self) -> Option<Instant> {
        self.outbox.wake_at()
    }

    /// Handles the reply to a try. Returns the message if it will not be delivered.
    pub(in crate::endpoint) fn on_reply(
        &mut self,
        id: u64,
        now: Instant,
        reply: &Event,
    ) -> Option<Undelivered> {
        let mut undelivered = self.outbox.on_reply(id, now, reply)?;
        redact(&mut undelivered.reason, &self.secrets);
        Some(undelivered)
    }

    /// Returns whether every message that can be built was delivered or given up.
    pub(in crate::endpoint) fn is_done(&self) -> bool {
        self.runs.is_empty() && self.outbox.is_empty()
    }

    /// Gives up all messages. Returns them.
    pub(in crate::endpoint) fn give_up(&mut self) -> Vec<Undelivered> {
        self.details.stop();
        self.build_events();
        let mut undelivered = self.outbox.give_up();
        // The events of the remaining runs have no time.
        undelivered.extend(self.runs.drain(..).map(|run| Undelivered {
            channel: Channel::Lineage,
            subject: run.subject,
            tries: 0,
            reason: "Hightouch has reported no time for the event".into(),
        }));
        undelivered
    }

    /// Returns the host of a receiver, for the log.
    pub(in crate::endpoint) fn host(&self, channel: Channel) -> &str {
        self.consumer(channel)
            .map_or("", |consumer| consumer.origin.host())
    }

    fn consumer(&self, channel: Channel) -> Option<&Consumer> {
        match channel {
            Channel::Lineage => Some(&self.lineage.as_ref()?.consumer),
            Channel::Notification => Some(&self.notify.as_ref()?.consumer),
        }
    }

    /// Returns the entry of a run. Adds it if it is new. `None` if no events are sent for the run.
    fn run(&mut self, sync: Option<&SyncRef>, report: &Report) -> Option<&mut Run> {
        self.lineage.as_ref()?;
        let id = run_id(&self.origin, report);
        if let Some(index) = self.runs.iter().position(|run| run.id == id) {
            return self.runs.get_mut(index);
        }
        let (name, sync) = match (report, sync) {
            (Report::Sync(report), Some(SyncRef::Slug(slug))) => {
                (slug.as_str().into(), Some(report.run.sync))
            }
            (Report::Sync(report), _) => (report.run.sync.to_string(), Some(report.run.sync)),
            (Report::Sequence(_), _) => {
                (self.sequence.as_ref()?.as_str().to_ascii_lowercase(), None)
            }
        };
        if let Some(sync) = sync {
            self.details.add(sync);
        }
        Some(self.runs.push_mut(Run {
            id,
            subject: Subject::of(report),
            sync,
            name,
            start: None,
            end: None,
        }))
    }

    /// Builds the events whose details are complete and whose times are known.
    fn build_events(&mut self) {
        for mut run in core::mem::take(&mut self.runs) {
            let unknown = Details::default();
            let details = match run.sync {
                Some(sync) => self.details.get(sync),
                None => Some(&unknown),
            };
            if let Some(details) = details {
                let details = self.redacted(details.clone());
                run = self.build_events_of(run, &details);
            }
            if run.start.is_some() || run.end.is_some() {
                self.runs.push(run);
            }
        }
    }

    /// Builds the events of one run. Returns the run with the events that could not be built.
    fn build_events_of(&mut self, mut run: Run, details: &Details) -> Run {
        if let Some(facts) = run.start.take() {
            // If the start has no time, use the start time that the end reports.
            let at_end = run
                .end
                .as_ref()
                .and_then(|end| end.facts.start_time.clone());
            match facts.start_time.clone().or(at_end) {
                Some(time) => self.push_event(&run, EventType::Start, &facts, time, details, None),
                None => {
                    run.start = Some(facts);
                    return run;
                }
            }
        }
        if let Some(end) = run.end.take() {
            match end.facts.end_time.clone() {
                Some(time) => {
                    let error = end.error.as_deref();
                    self.push_event(&run, end.event_type, &end.facts, time, details, error);
                }
                None => run.end = Some(end),
            }
        }
        run
    }

    fn push_event(
        &mut self,
        run: &Run,
        event_type: EventType,
        facts: &Facts,
        time: String,
        details: &Details,
        error: Option<&str>,
    ) {
        let Some(lineage) = &self.lineage else { return };
        let event = Content {
            event_type,
            time,
            run_id: run.id,
            namespace: &lineage.namespace,
            job: details.slug.as_deref().unwrap_or(&run.name),
            parent: self.parent.as_ref(),
            facts,
            details,
            error,
        };
        self.outbox.push(Message {
            channel: Channel::Lineage,
            subject: run.subject.clone(),
            run: Some(run.id),
            body: ChunkedBuffer::json(&event.to_json()).into_bytes(),
        });
    }

    /// Sends a notification of the end of a run, if the settings ask for it.
    fn notify_end(&mut self, outcome: &Outcome, presenter: &Presenter) {
        let Some(report) = report_of(outcome).filter(|_| self.notify.is_some()) else {
            return;
        };
        let id = run_id(&self.origin, report);
        if self.notified.contains(&id) {
            return;
        }
        self.notified.push(id);
        let subject = Subject::of(report);
        let sentence = Sentence::of_end(outcome, report, self.workspace.as_deref());
        match outcome {
            Err(failure) => {
                let problem = presenter.problem(failure.clone());
                self.notify(subject, &sentence, Some(id), &Attachment::Problem(&problem));
            }
            Ok(_) => {
                let includes_success = self.notify.as_ref().map(|notify| notify.includes_success);
                if includes_success == Some(true) {
                    let report = Attachment::Report(presenter.view(report));
                    self.notify(subject, &sentence, Some(id), &report);
                }
            }
        }
    }

    fn notify(
        &mut self,
        subject: Subject,
        sentence: &Sentence,
        id: Option<Uuid>,
        attachment: &Attachment<'_>,
    ) {
        let Some(notify) = &self.notify else { return };
        let body = notification::body(notify.format, sentence, id, attachment).into_bytes();
        self.outbox.push(Message {
            channel: Channel::Notification,
            subject,
            run: None,
            body,
        });
    }

    fn redacted(&self, mut details: Details) -> Details {
        let Details { slug, destination } = &mut details;
        let secrets = &self.secrets;
        slug.iter_mut().for_each(|slug| redact(slug, secrets));
        if let Some(Destination { kind, slug }) = destination {
            redact(kind, secrets);
            redact(slug, secrets);
        }
        details
    }
}

/// Removes the secrets from a text.
fn redact(text: &mut String, secrets: &[ApiKey]) {
    secrets.iter().for_each(|secret| secret.redact(text));
}

/// Returns why a run did not succeed.
fn error(event_type: EventType, outcome: &Outcome) -> Option<String> {
    let failure = outcome
        .as_ref()
        .err()
        .map(|failure| failure.message.clone());
    // An operation that does not wait succeeds even if the run that it adopts has failed.
    let by_status = || match report_of(outcome)? {
        Report::Sync(report) => {
            let reported = report.jobs.iter().find_map(|job| job.error.clone());
            Some(reported.unwrap_or_else(|| ended_as(report.status.as_str())))
        }
        Report::Sequence(report) => Some(ended_as(report.run.status.as_str())),
    };
    match event_type {
        EventType::Start | EventType::Complete => None,
        EventType::Fail | EventType::Abort => failure.or_else(by_status),
    }
}

fn ended_as(status: &str) -> String {
    format!("The run ended as `{status}`.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use core::time::Duration;

    use serde_json::Value;

    use super::*;
    use crate::endpoint::settings::fixed::Fixed;
    use crate::engine::{Failure, FailureKind, SyncReport, Warnings};
    use crate::hightouch::{Response, Run as Job, RunRef, RunStatus};

    fn reporter(settings: &[(&str, &str)]) -> Reporter {
        with_parent(settings, None)
    }

    fn with_parent(settings: &[(&str, &str)], parent: Option<&str>) -> Reporter {
        let [settings, _] = Fixed::of_each_source(settings);
        let scope = Scope {
            origin: Origin::default(),
            workspace: None,
            secrets: vec![ApiKey::new("a-secret-token").unwrap()],
            parent: parent.map(|parent| LineageParent::read(parent).unwrap()),
            sequence: None,
        };
        Reporter::new(Targets::read(&settings).unwrap(), scope).unwrap()
    }

    const LINEAGE: (&str, &str) = ("OPENLINEAGE_URL", "http://127.0.0.1:5000");
    const NOTIFY: (&str, &str) = ("NOTIFY_URL", "http://127.0.0.1:5000/hook");

    fn presenter() -> Presenter {
        Presenter {
            key_is_stored: true,
            workspace: None,
            account: None,
            warnings: Warnings::Fail,
            sequence: None,
            prefix: String::new(),
        }
    }

    fn report(jobs: &str) -> Report {
        let mut read = Vec::new();
        let page = format!(r#"{{"data":[{jobs}]}}"#);
        Job::read_page(page.as_bytes(), &mut |job| read.push(job)).unwrap();
        Report::Sync(SyncReport {
            run: RunRef {
                sync: 1.try_into().unwrap(),
                run: 42.try_into().unwrap(),
            },
            status: read
                .first()
                .map_or(RunStatus::Queued, |job| job.status.clone()),
            jobs: read,
            joined: false,
            requests: 3,
            elapsed: Duration::ZERO,
        })
    }

    fn failed(jobs: &str, message: &str) -> Outcome {
        Err(Failure {
            report: Some(report(jobs)),
            ..Failure::unsent(FailureKind::SyncFailed, message)
        })
    }

    /// Delivers everything that may be sent now. Returns the bodies.
    fn sent(reporter: &mut Reporter) -> Vec<Value> {
        let mut bodies = Vec::new();
        while let Some((next, _)) = reporter.next_try(Instant::default()) {
            bodies.push(serde_json::from_slice(&next.body).unwrap());
            let reply = Event::Response(Response::new(200, ""));
            assert!(
                reporter
                    .on_reply(next.id, Instant::default(), &reply)
                    .is_none()
            );
        }
        bodies
    }

    /// Answers the requests for details.
    fn read_details(reporter: &mut Reporter) {
        while reporter.details().next_request().is_some() {
            reporter.details().sent();
            let body = r#"{"slug":"contacts","destinationId":9,"type":"salesforce"}"#;
            let reply = Event::Response(Response::new(200, body));
            reporter.details().on_reply(&reply);
        }
    }

    const RUNNING: &str = r#"{"id":42,"status":"querying"}"#;
    const FAILED: &str = r#"{"id":42,"status":"failed","createdAt":"2026-11-26T03:00:00Z",
        "startedAt":"2026-11-26T03:00:01Z","finishedAt":"2026-11-26T03:00:09Z"}"#;
    const UNDATED: &str = r#"{"id":42,"status":"failed"}"#;

    #[test]
    fn events_wait_for_the_details_and_keep_their_order() {
        let mut reporter = reporter(&[LINEAGE]);
        let now = Timestamp::from_millis(1_000);
        reporter.started(None, report(RUNNING), Some(now));
        assert!(sent(&mut reporter).is_empty());
        let outcome = failed(FAILED, "No such table.");
        reporter.ended(None, outcome, true, Some(now), &presenter());
        assert!(sent(&mut reporter).is_empty() && !reporter.is_done());
        read_details(&mut reporter);
        let events = sent(&mut reporter);
        let of = |name: &str| -> Vec<&Value> { events.iter().map(|event| &event[name]).collect() };
        assert_eq!(of("eventType"), ["START", "FAIL"]);
        assert_eq!(
            of("eventTime"),
            ["1970-01-01T00:00:01Z", "2026-11-26T03:00:09Z"]
        );
        assert!(
            events
                .iter()
                .all(|event| event["job"]["name"] == "contacts")
        );
        assert_eq!(events[0]["run"]["runId"], events[1]["run"]["runId"]);
        assert!(reporter.is_done());
    }

    #[test]
    fn an_event_without_a_time_waits_for_the_end_and_is_given_up() {
        let mut dated = reporter(&[LINEAGE]);
        dated.started(None, report(RUNNING), None);
        read_details(&mut dated);
        assert!(sent(&mut dated).is_empty() && !dated.is_done());
        dated.ended(None, failed(FAILED, ""), true, None, &presenter());
        let events = sent(&mut dated);
        assert_eq!(events.len(), 2);
        assert_eq!(events[0]["eventTime"], "2026-11-26T03:00:01Z");

        let mut undated = reporter(&[LINEAGE]);
        undated.started(None, report(RUNNING), None);
        undated.ended(None, failed(UNDATED, ""), true, None, &presenter());
        read_details(&mut undated);
        assert!(sent(&mut undated).is_empty());
        let given_up = undated.give_up();
        assert_eq!(given_up.len(), 1);
        assert!(given_up[0].reason.contains("no time") && undated.is_done());
    }

    #[test]
    fn a_run_is_notified_by_the_call_that_saw_it_in_progress() {
        for (settings, outcome, has_seen_progress, expected) in [
            (&[NOTIFY][..], failed(FAILED, "x"), true, 1),
            (&[NOTIFY], failed(FAILED, "x"), false, 0),
            (&[NOTIFY], Ok(report(RUNNING)), true, 0),
            (
                &[NOTIFY],
                Err(Failure::unsent(FailureKind::Api, "x")),
                true,
                0,
            ),
            (
                &[NOTIFY, ("NOTIFY_ON", "all")],
                failed(FAILED, "x"),
                true,
                1,
            ),
            (&[LINEAGE], failed(FAILED, "x"), true, 0),
        ] {
            let mut reporter = reporter(settings);
            let case = format!("{settings:?} {outcome:?}");
            reporter.ended(None, outcome, has_seen_progress, None, &presenter());
            let texts = sent(&mut reporter);
            let texts = texts.iter().filter(|body| body.get("text").is_some());
            assert_eq!(texts.count(), expected, "{case}");
        }
    }

    #[test]
    fn no_message_contains_a_secret() {
        let mut reporter = reporter(&[LINEAGE, NOTIFY]);
        let jobs = FAILED.replace("failed", "a-secret-token");
        let outcome = failed(&jobs, "The token a-secret-token was refused.");
        reporter.started(None, report(&jobs), None);
        reporter.ended(None, outcome, true, None, &presenter());
        read_details(&mut reporter);
        let bodies = sent(&mut reporter);
        assert_eq!(bodies.len(), 3);
        for body in bodies {
            let text = body.to_string();
            assert!(
                !text.contains("secret") && text.contains("[redacted]"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_run_of_two_operations_is_notified_once() {
        let mut reporter = reporter(&[NOTIFY]);
        for sync in ["1", "demo"] {
            let sync: SyncRef = sync.parse().unwrap();
            reporter.ended(Some(&sync), failed(FAILED, "x"), true, None, &presenter());
        }
        let sent = sent(&mut reporter);
        assert_eq!(sent.len(), 1, "{sent:?}");
    }

    #[test]
    fn no_message_contains_a_secret_that_a_name_contains() {
        const RUN: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";
        let parent = format!("n-a-secret-token/job-a-secret-token/{RUN}");
        let mut reporter = with_parent(&[LINEAGE, NOTIFY], Some(&parent));
        reporter.ended(None, failed(FAILED, "x"), true, None, &presenter());
        let named: SyncRef = "x-a-secret-token".parse().unwrap();
        let problem = Problem::invalid_setting("X", "x");
        reporter.dbt_problem(&named, Some("7"), &problem);
        read_details(&mut reporter);
        let bodies = sent(&mut reporter);
        assert_eq!(bodies.len(), 3, "{bodies:?}");
        assert!(
            bodies
                .iter()
                .any(|body| body["run"]["facets"]["parent"]["job"]["name"] == "job-[redacted]")
        );
        for body in bodies {
            assert!(!body.to_string().contains("secret"), "{body}");
        }
    }
}
