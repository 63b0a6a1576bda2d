//! Calls, whoever makes them: what is asked for is checked, carried out, and told.

use core::time::Duration;

use crate::bindings::hightouch::sync::types as wit;
use crate::engine::{
    Failure, FailureKind, Goal, Options, Outcome, Report, SequenceReport, SyncReport,
};
use crate::hightouch::{ApiKey, ApiOrigin, SyncRef};
use crate::host::{Clock, Connection, Drive, Task};

/// The outcome of an operation on a sync.
pub(crate) fn of_sync(outcome: Outcome) -> Result<SyncReport, Failure> {
    match outcome? {
        Report::Sync(report) => Ok(report),
        Report::Sequence(_) => Err(Failure::unsent(
            FailureKind::Other,
            "The operation ended with another's result.",
        )),
    }
}

/// The outcome of an operation on a sequence.
pub(crate) fn of_sequence(outcome: Outcome) -> Result<SequenceReport, Failure> {
    match outcome? {
        Report::Sequence(report) => Ok(report),
        Report::Sync(_) => Err(Failure::unsent(
            FailureKind::Other,
            "The operation ended with another's result.",
        )),
    }
}

/// The most syncs that one call runs: more would not fit into a call's memory where every answer is as long as it may be.
pub(crate) const MOST: usize = 100;

/// Why nothing was sent for a list of syncs.
pub(crate) struct Wrong {
    /// What to say of each.
    pub(crate) of_each: Vec<Failure>,
    /// The place of the first that cannot be right.
    first: usize,
}

impl Wrong {
    /// What is wrong with the first that cannot be right.
    pub(crate) fn first(mut self) -> Failure {
        self.of_each.swap_remove(self.first)
    }
}

/// Takes the syncs of one call if all of them can be right and none is named twice; else says of each why nothing was sent for it.
pub(crate) fn several(read: Vec<Result<SyncRef, Failure>>) -> Result<Vec<SyncRef>, Wrong> {
    if read.len() > MOST {
        let too_many = |_| {
            invalid(format_args!(
                "these are more than the {MOST} syncs that one call runs"
            ))
        };
        return Err(Wrong {
            of_each: read.into_iter().map(too_many).collect(),
            first: 0,
        });
    }
    let mut syncs: Vec<SyncRef> = Vec::with_capacity(read.len());
    let mut of_each = Vec::with_capacity(read.len());
    let mut first = None;
    for sync in read {
        let sync = sync.and_then(|sync| {
            let twice = syncs.contains(&sync);
            if twice {
                Err(invalid(format_args!("the sync `{sync}` is named twice")))
            } else {
                Ok(sync)
            }
        });
        match sync {
            Ok(sync) => {
                syncs.push(sync);
                of_each.push(invalid("another sync of the list cannot be right"));
            }
            Err(failure) => {
                first.get_or_insert(of_each.len());
                of_each.push(failure);
            }
        }
    }
    first.map_or(Ok(syncs), |first| Err(Wrong { of_each, first }))
}

/// Runs syncs to their ends, at once. The outcomes are in the syncs' order.
pub(crate) fn run_all(
    syncs: Vec<SyncRef>,
    options: Options,
    connection: &Connection,
    clock: Clock,
) -> Vec<Outcome> {
    let goals = syncs.into_iter().map(Goal::Run).collect();
    Drive::new(Task::several(goals, options, connection, clock), clock).finish()
}

/// Runs one operation to its end.
pub(crate) fn carry_out(
    connection: wit::Connection,
    goal: Result<Goal, Failure>,
    options: Options,
) -> Outcome {
    let connection = connect(&connection)?;
    let goal = goal?;
    if goal.names().iter().any(|name| connection.key.is(name)) {
        return Err(named_by_secret());
    }
    run(goal, options, connection, Clock::start())
}

/// The failure of a call that gives a secret as the name of a sync, a sequence or a run. It does not quote the secret.
pub(crate) fn named_by_secret() -> Failure {
    invalid(
        "a sync, a sequence or a run is named by the API key or another secret. Name it by its ID or slug, and replace the secret if others \
         may have seen this request",
    )
}

/// Runs one operation to its end.
pub(crate) fn run(goal: Goal, options: Options, connection: Connection, clock: Clock) -> Outcome {
    only(Drive::new(
        Task::several(vec![goal], options, &connection, clock),
        clock,
    ))
}

/// Drives one operation to its end.
pub(crate) fn only(drive: Drive) -> Outcome {
    let outcome = drive.finish().pop();
    outcome.unwrap_or_else(|| {
        Err(Failure::unsent(
            FailureKind::Other,
            "The operation ended without a result.",
        ))
    })
}

/// A failure of the caller's input: nothing was sent.
pub(crate) fn invalid(error: impl core::fmt::Display) -> Failure {
    Failure::unsent(
        FailureKind::InvalidInput,
        format!("{error}. Nothing was sent to Hightouch."),
    )
}

/// The connection that a caller of the WIT names.
pub(crate) fn connect(connection: &wit::Connection) -> Result<Connection, Failure> {
    let key = ApiKey::new(&connection.api_key).map_err(invalid)?;
    let origin = match &connection.api_origin {
        Some(origin) => origin.parse().map_err(invalid)?,
        None => ApiOrigin::default(),
    };
    Ok(Connection {
        origin,
        key,
        trace: Vec::new(),
    })
}

/// Whole milliseconds.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
