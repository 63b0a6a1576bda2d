//! Carries out the operations of a request, and meanwhile reports their runs to other systems.

use core::ops::{Deref, DerefMut};

use super::adapter::write_log;
use super::courier::Courier;
use super::log::StartedLog;
use super::response::presenter::Presenter;
use super::response::problem::Problem;
use super::stderr;
use crate::engine::{Failure, FailureKind, Goal, Options, Outcome, Report, untyped};
use crate::hightouch::SyncRef;
use crate::host::waits::Waits;
use crate::host::{Clock, Driver, Redact};

/// The operations of one request.
pub(super) struct Session<'a, G: Goal> {
    pub(super) driver: Driver<G>,
    /// The syncs of the operations, as the caller named them.
    pub(super) syncs: &'a [SyncRef],
    pub(super) presenter: &'a Presenter,
    /// The lines about the runs.
    pub(super) log: StartedLog,
    /// Reports the runs; `None` if nothing is reported.
    pub(super) courier: Option<Courier>,
    /// The options of the operations that follow runs after the response.
    pub(super) follow: Options,
    pub(super) clock: Clock,
}

impl<G: Goal<Report: Redact + Into<Report>>> Session<'_, G> {
    /// Advances all operations without waiting. Logs the runs that were started or adopted.
    pub(super) fn advance(&mut self) {
        self.driver.advance();
        while let Some((index, report)) = self.driver.next_started() {
            let report = report.into();
            write_log(self.log.line(&report));
            if let Some(courier) = &mut self.courier {
                let time = self.driver.server_time(index);
                courier
                    .reporter
                    .started(self.syncs.get(index), report, time);
            }
        }
    }

    /// Returns the outcome of an operation that is over, unless it was already taken. Reports the
    /// end of its run.
    pub(super) fn take_outcome(&mut self, index: usize) -> Option<Outcome<G::Report>> {
        let outcome = self.driver.take_outcome(index)?;
        if let Some(courier) = &mut self.courier {
            courier.reporter.ended(
                self.syncs.get(index),
                untyped(outcome.clone()),
                self.driver.has_seen_progress(index),
                self.driver.server_time(index),
                self.presenter,
            );
        }
        Some(outcome)
    }

    /// Reports that a dbt delivery that reports a success ended in a problem.
    pub(super) fn dbt_problem(&mut self, dbt_run: Option<&str>, problem: &Problem) {
        if let (Some(courier), [sync]) = (&mut self.courier, self.syncs) {
            courier.reporter.dbt_problem(sync, dbt_run, problem);
        }
    }

    /// Sends the messages that are due. Then waits until an operation or a message can make
    /// progress, or for one of `waits`.
    pub(super) async fn wait<'w>(&'w mut self, mut waits: Waits<'w>) {
        if let Some(courier) = &mut self.courier {
            courier.advance(Some(&mut self.driver));
            courier.watch(Some(self.driver.next_turn()), &mut waits);
        }
        self.driver.wait(waits).await;
    }

    /// Drives the first operation to its end.
    pub(super) async fn finish_first(&mut self) -> Outcome<G::Report> {
        let mut session = Awaited(self);
        loop {
            session.advance();
            if let Some(outcome) = session.take_outcome(0) {
                return outcome;
            }
            session.wait(Waits::default()).await;
        }
    }

    /// Drives all operations to their ends. Returns their outcomes, in the order of the goals.
    pub(super) async fn finish(&mut self, operations: usize) -> Vec<Outcome<G::Report>> {
        let mut session = Awaited(self);
        let mut outcomes: Vec<Option<Outcome<G::Report>>> = (0..operations).map(|_| None).collect();
        loop {
            session.advance();
            for (index, outcome) in outcomes.iter_mut().enumerate() {
                if outcome.is_none() {
                    *outcome = session.take_outcome(index);
                }
            }
            if outcomes.iter().all(Option::is_some) {
                return outcomes.into_iter().flatten().collect();
            }
            session.wait(Waits::default()).await;
        }
    }

    /// Follows runs that are still in progress after the response, then sends the last messages.
    pub(super) async fn after_response(mut self, running: Vec<Running<G>>) {
        if !running.is_empty() && !self.follow.max_wait.is_zero() {
            self = self.follow(running).await;
        }
        let Self {
            mut driver,
            courier,
            ..
        } = self;
        if let Some(courier) = courier {
            courier.finish(Some(&mut driver)).await;
        }
    }

    /// Awaits the ends of runs. Logs and reports each end. These goals only wait: they cannot start
    /// a run.
    async fn follow(self, running: Vec<Running<G>>) -> Self {
        let (indexes, goals): (Vec<usize>, Vec<G>) = running
            .into_iter()
            .map(|Running { index, goal }| (index, goal))
            .unzip();
        let start = self.clock.now();
        let mut session = Self {
            driver: self.driver.following(goals, self.follow.clone()),
            ..self
        };
        let mut is_over = vec![false; indexes.len()];
        while is_over.contains(&false) {
            session.driver.advance();
            for (at, (index, is_over)) in indexes.iter().zip(&mut is_over).enumerate() {
                let Some(outcome) = session.driver.take_outcome(at).map(untyped) else {
                    continue;
                };
                *is_over = true;
                let elapsed = session.clock.now().duration_since(start);
                write_log(session.log.followed(&outcome, elapsed));
                if let Some(courier) = &mut session.courier {
                    let time = session.driver.server_time(at);
                    let sync = session.syncs.get(*index);
                    let reporter = &mut courier.reporter;
                    reporter.ended(sync, outcome, true, time, session.presenter);
                }
            }
            if is_over.contains(&false) {
                session.wait(Waits::default()).await;
            }
        }
        session
    }
}

/// A session whose caller awaits the response. If the host ends the request before, the log names
/// the runs.
struct Awaited<'a, 's, G: Goal<Report: Redact + Into<Report>>>(&'a mut Session<'s, G>);

impl<'s, G: Goal<Report: Redact + Into<Report>>> Deref for Awaited<'_, 's, G> {
    type Target = Session<'s, G>;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl<G: Goal<Report: Redact + Into<Report>>> DerefMut for Awaited<'_, '_, G> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.0
    }
}

impl<G: Goal<Report: Redact + Into<Report>>> Drop for Awaited<'_, '_, G> {
    /// Logs the operations that are in progress. There are none if the session has been driven to
    /// its end.
    fn drop(&mut self) {
        self.driver.cancel();
        for index in 0..self.driver.operations() {
            let outcome = self.driver.take_outcome(index).map(untyped);
            let sync = self.syncs.get(index);
            let line = outcome.and_then(|outcome| self.log.cancelled(sync, &outcome));
            if let Some(line) = line {
                // A request that is ended cannot wait for the stderr of WASI 0.3.
                let _: bool = stderr::write(&line.into_bytes());
            }
        }
    }
}

/// A run that is still in progress after the response.
pub(super) struct Running<G> {
    /// The index of the operation that started or joined the run.
    index: usize,
    /// The goal that awaits the run.
    goal: G,
}

/// Returns the run of an operation, if the run is still in progress.
pub(super) fn still_running<G: Goal>(
    index: usize,
    outcome: &Outcome<G::Report>,
) -> Option<Running<G>> {
    match outcome {
        Err(Failure {
            kind: FailureKind::StillRunning,
            report: Some(report),
            ..
        }) => Running::new(index, report),
        _ => None,
    }
}

impl<G: Goal> Running<G> {
    /// Returns the run of a report that shows the run in progress; `None` for a list of runs.
    pub(super) fn new(index: usize, report: &G::Report) -> Option<Self> {
        let goal = G::awaiting(report)?;
        Some(Self { index, goal })
    }
}
