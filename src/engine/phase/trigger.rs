//! Starting a run: the request that must not be repeated without proof that it started nothing.

use crate::engine::attempt_error::AttemptError;
use crate::engine::start::{Start, TriggerError, read_response, retry_not_started};
use crate::engine::step::{Context, Next, Reply};
use crate::engine::time::Instant;
use crate::hightouch::{ReadError, Request, Resync, RunId, read_trigger, trigger_ids};

/// Starting a run of a sync.
#[derive(Debug)]
pub struct Trigger {
    pub(in crate::engine) start: Start,
}

/// The outcome of a trigger.
#[derive(Debug)]
pub(in crate::engine) enum Triggered {
    /// The response names this run.
    Started(RunId),
    /// A run may have been started. The list of runs has to show it.
    Unknown {
        /// Why the outcome is unknown.
        cause: AttemptError,
        /// When the first trigger with an unknown outcome was sent.
        sent: Instant,
    },
}

impl Trigger {
    pub(in crate::engine) fn request(&self, resync: Resync) -> Request {
        Request::trigger(self.start.sync, resync)
    }

    pub(in crate::engine) fn on_reply(
        &mut self,
        cx: &mut Context<'_>,
        reply: Reply,
    ) -> Next<Triggered> {
        if let Ok(response) = &reply
            && response.is_success()
            && response.encoding_error().is_none()
        {
            self.start.named = trigger_ids(&response.body);
        }
        let cause = match read_response(reply, read_trigger) {
            // A run that existed before is not the one that the trigger started.
            Ok(run) if self.start.is_older(run) => AttemptError::unreadable(ReadError::OlderRun),
            Ok(run) => return Next::Complete(Triggered::Started(run)),
            Err(TriggerError::NotStarted(error)) => return retry_not_started(error),
            Err(TriggerError::Unknown(error)) => error,
        };
        let sent = *self.start.first_sent.get_or_insert(cx.sent);
        Next::Complete(Triggered::Unknown { cause, sent })
    }
}
