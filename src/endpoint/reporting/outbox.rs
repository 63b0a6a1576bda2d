//! The messages that wait to be sent, and the times of their tries.
//!
//! A message is tried at most [`MAX_TRIES`] times within [`MAX_DURATION`]. A consumer that is slow,
//! silent or wrong delays nothing else: the outbox never blocks, and it keeps no response.

use core::time::Duration;

use uuid::Uuid;

use crate::engine::{Event, Instant, Report, TransportErrorKind};
use crate::hightouch::{Response, reason_phrase};

/// Maximum number of times that a message is sent.
const MAX_TRIES: u32 = 3;
/// Maximum time for the response to one try.
const TRY_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time from the first try to the end of the last one.
const MAX_DURATION: Duration = Duration::from_secs(6);
/// The pause before the second try. It doubles before the third.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Maximum number of messages in flight.
const MAX_IN_FLIGHT: usize = 4;

/// The receiver of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::endpoint) enum Channel {
    Lineage,
    Notification,
}

impl Channel {
    /// Returns the name in the log.
    pub(in crate::endpoint) fn as_str(self) -> &'static str {
        match self {
            Self::Lineage => "lineage",
            Self::Notification => "notification",
        }
    }

    /// Returns the reason to log if the host does not allow the request.
    fn denied(self) -> &'static str {
        match self {
            Self::Lineage => {
                "the host does not allow this component to call the origin in OPENLINEAGE_URL; \
                 allow it in the host's settings"
            }
            Self::Notification => {
                "the host does not allow this component to call the origin of NOTIFY_URL; allow \
                 it in the host's settings (on Spin: notify_origin)"
            }
        }
    }
}

/// The subject of a message, for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::endpoint) struct Subject {
    pub(in crate::endpoint) sync: Option<String>,
    pub(in crate::endpoint) run: Option<u64>,
    pub(in crate::endpoint) sequence_run: Option<String>,
}

impl Subject {
    /// Returns the subject of a message about a run.
    pub(super) fn of(report: &Report) -> Self {
        match report {
            Report::Sync(report) => Self {
                sync: Some(report.run.sync.to_string()),
                run: Some(report.run.run.get()),
                sequence_run: None,
            },
            Report::Sequence(report) => Self {
                sequence_run: Some(report.run.id.to_string()),
                ..Self::default()
            },
        }
    }
}

/// A message to send.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) channel: Channel,
    pub(super) subject: Subject,
    /// The ID of the run. The messages of one run are sent one after another. A message without
    /// this ID waits for no other message.
    pub(super) run: Option<Uuid>,
    pub(super) body: Vec<u8>,
}

/// An attempt to send a message.
#[derive(Debug)]
pub(in crate::endpoint) struct Try {
    /// The message, for [`Outbox::on_reply`].
    pub(in crate::endpoint) id: u64,
    pub(in crate::endpoint) channel: Channel,
    pub(in crate::endpoint) body: Vec<u8>,
    /// The deadline for the response.
    pub(in crate::endpoint) give_up: Instant,
}

/// A message that was not delivered.
#[derive(Debug)]
pub(in crate::endpoint) struct Undelivered {
    pub(in crate::endpoint) channel: Channel,
    pub(in crate::endpoint) subject: Subject,
    pub(in crate::endpoint) tries: u32,
    pub(in crate::endpoint) reason: String,
}

/// The messages that have not been delivered.
#[derive(Debug, Default)]
pub(in crate::endpoint) struct Outbox {
    /// The messages, in the order in which they were added.
    entries: Vec<Entry>,
    next_id: u64,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    message: Message,
    /// When the message may be sent; `None` while it is in flight.
    due: Option<Instant>,
    tries: u32,
    first_try: Option<Instant>,
}

impl Outbox {
    /// Adds a message.
    pub(super) fn push(&mut self, message: Message) {
        self.entries.push(Entry {
            id: self.next_id,
            message,
            due: Some(Instant::default()),
            tries: 0,
            first_try: None,
        });
        self.next_id += 1;
    }

    pub(in crate::endpoint) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the next try that is to be sent now. Call [`on_reply`](Self::on_reply) for this try,
    /// at its `give_up` at the latest.
    pub(in crate::endpoint) fn next_try(&mut self, now: Instant) -> Option<Try> {
        let id = self.due_entries().find(|(_, due)| *due <= now)?.0;
        let entry = self.entries.iter_mut().find(|entry| entry.id == id)?;
        let first_try = *entry.first_try.get_or_insert(now);
        entry.due = None;
        entry.tries += 1;
        Some(Try {
            id,
            channel: entry.message.channel,
            body: entry.message.body.clone(),
            give_up: (now + TRY_TIMEOUT).min(first_try + MAX_DURATION),
        })
    }

    /// Returns when the next try is due; `None` if that depends on replies.
    pub(in crate::endpoint) fn wake_at(&self) -> Option<Instant> {
        self.due_entries().map(|(_, due)| due).min()
    }

    /// Handles the reply to a try. Returns the message if it will not be delivered.
    pub(in crate::endpoint) fn on_reply(
        &mut self,
        id: u64,
        now: Instant,
        reply: &Event,
    ) -> Option<Undelivered> {
        let index = self.entries.iter().position(|entry| entry.id == id)?;
        let entry = self.entries.get_mut(index)?;
        let failure = match Failure::of(reply, entry.message.channel) {
            None => {
                self.entries.remove(index);
                return None;
            }
            Some(failure) => failure,
        };
        let pause = FIRST_PAUSE
            .saturating_mul(entry.tries)
            .max(failure.retry_after);
        let end = entry.first_try.unwrap_or(now) + MAX_DURATION;
        if failure.is_transient && entry.tries < MAX_TRIES && now + pause < end {
            entry.due = Some(now + pause);
            return None;
        }
        let entry = self.entries.remove(index);
        Some(entry.undelivered(failure.reason))
    }

    /// Gives up all messages.
    pub(in crate::endpoint) fn give_up(&mut self) -> Vec<Undelivered> {
        let give_up =
            |entry: Entry| entry.undelivered("the time limit of the message had passed".into());
        self.entries.drain(..).map(give_up).collect()
    }

    /// Returns the messages that may be sent, and when.
    fn due_entries(&self) -> impl Iterator<Item = (u64, Instant)> {
        let in_flight = self.entries.iter().filter(|entry| entry.due.is_none());
        let has_free_slot = in_flight.count() < MAX_IN_FLIGHT;
        let entries = self.entries.iter().enumerate();
        entries.filter_map(move |(index, entry)| {
            let due = entry.due.filter(|_| has_free_slot)?;
            let mut earlier = self.entries.iter().take(index);
            let run = entry.message.run;
            let waits = run.is_some() && earlier.any(|earlier| earlier.message.run == run);
            (!waits).then_some((entry.id, due))
        })
    }
}

impl Entry {
    fn undelivered(self, reason: String) -> Undelivered {
        Undelivered {
            channel: self.message.channel,
            subject: self.message.subject,
            tries: self.tries,
            reason,
        }
    }
}

/// Why a try failed.
struct Failure {
    reason: String,
    /// Whether another try may succeed.
    is_transient: bool,
    /// The delay that the consumer asked for.
    retry_after: Duration,
}

impl Failure {
    /// Returns the failure that a reply shows; `None` if the message was delivered.
    fn of(reply: &Event, channel: Channel) -> Option<Self> {
        match reply {
            Event::Response(response) if response.is_success() => None,
            Event::Response(response) => Some(Self::of_status(response)),
            Event::TransportError(error) => Some(match error.kind {
                TransportErrorKind::NotGranted => Self {
                    reason: channel.denied().into(),
                    is_transient: false,
                    retry_after: Duration::ZERO,
                },
                kind => Self {
                    reason: error.text.clone(),
                    is_transient: kind != TransportErrorKind::TlsFailed,
                    retry_after: Duration::ZERO,
                },
            }),
            // Only operations receive this event.
            Event::Woke => None,
        }
    }

    /// Returns the failure that an unsuccessful status shows. A redirect is final, because it could
    /// lead to a server that no setting names.
    fn of_status(response: &Response) -> Self {
        let status = response.status;
        Self {
            reason: format!("the response was {status} ({})", reason_phrase(status)),
            is_transient: matches!(status, 408 | 425 | 429 | 500..=599),
            retry_after: response.retry_delay().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::engine::TransportError;

    fn at(millis: u64) -> Instant {
        Instant::after_start(Duration::from_millis(millis))
    }

    fn message(run: Option<u128>) -> Message {
        Message {
            channel: Channel::Lineage,
            subject: Subject::default(),
            run: run.map(Uuid::from_u128),
            body: b"{}".to_vec(),
        }
    }

    fn outbox(messages: impl IntoIterator<Item = Message>) -> Outbox {
        let mut outbox = Outbox::default();
        messages
            .into_iter()
            .for_each(|message| outbox.push(message));
        outbox
    }

    fn status(status: u16) -> Event {
        Event::Response(Response::new(status, ""))
    }

    fn error(kind: TransportErrorKind) -> Event {
        Event::TransportError(TransportError {
            kind,
            text: "the connection was refused".into(),
        })
    }

    /// Sends one message to a consumer that answers each try with `reply`, `latency` after the try
    /// or at its deadline. Returns the times of the tries, the end, and the failure.
    fn play(reply: &Event, latency: Duration) -> (Vec<Instant>, Instant, Option<Undelivered>) {
        let mut outbox = outbox([message(None)]);
        let (mut now, mut tries) = (at(1_000), Vec::new());
        loop {
            // Real timers fire late.
            now = now.max(outbox.wake_at().unwrap()) + Duration::from_millis(7);
            let next = outbox.next_try(now).unwrap();
            assert!(outbox.next_try(now).is_none() && outbox.wake_at().is_none());
            tries.push(now);
            now = (now + latency).min(next.give_up);
            let undelivered = outbox.on_reply(next.id, now, reply);
            if outbox.is_empty() {
                return (tries, now, undelivered);
            }
            assert!(undelivered.is_none());
        }
    }

    #[test]
    fn a_message_is_tried_three_times_within_six_seconds() {
        for reply in [
            status(500),
            status(503),
            status(429),
            status(408),
            error(TransportErrorKind::NotSent),
            error(TransportErrorKind::Lost),
            error(TransportErrorKind::TimedOut),
        ] {
            for latency in [0, 50, 1_900, 60_000].map(Duration::from_millis) {
                let (tries, end, undelivered) = play(&reply, latency);
                assert_eq!(tries.len(), 3, "{reply:?} {latency:?}");
                assert!(end.duration_since(tries.first().copied().unwrap()) <= MAX_DURATION);
                assert_eq!(undelivered.unwrap().tries, 3);
            }
        }
    }

    #[test]
    fn a_final_reply_ends_a_message_at_once() {
        for code in [200, 201, 202, 204] {
            let (tries, _, undelivered) = play(&status(code), Duration::ZERO);
            assert!(tries.len() == 1 && undelivered.is_none(), "{code}");
        }
        for (reply, reason) in [
            (status(302), "302"),
            (status(400), "400 (Bad Request)"),
            (status(401), "401"),
            (status(404), "404"),
            (status(410), "410"),
            (error(TransportErrorKind::TlsFailed), "refused"),
            (error(TransportErrorKind::NotGranted), "OPENLINEAGE_URL"),
        ] {
            let (tries, _, undelivered) = play(&reply, Duration::ZERO);
            let undelivered = undelivered.unwrap();
            assert_eq!((tries.len(), undelivered.tries), (1, 1), "{reply:?}");
            assert!(undelivered.reason.contains(reason), "{undelivered:?}");
        }
    }

    #[test]
    fn a_consumer_can_ask_for_a_short_delay_but_not_for_a_long_one() {
        let ask = |seconds: &str| {
            let mut response = Response::new(429, "");
            response.record_header("retry-after", seconds.as_bytes());
            play(&Event::Response(response), Duration::ZERO).0
        };
        let tries = ask("2");
        assert_eq!(tries.len(), 3);
        let pauses = tries.iter().zip(tries.iter().skip(1));
        for (earlier, later) in pauses {
            assert!(later.duration_since(*earlier) >= Duration::from_secs(2));
        }
        assert_eq!(ask("60").len(), 1);
        assert_eq!(ask("99999999999999999999").len(), 1);
    }

    #[test]
    fn messages_of_one_run_keep_their_order_and_others_do_not_wait_for_them() {
        let mut outbox = outbox([message(Some(1)), message(Some(1)), message(Some(2))]);
        let first = outbox.next_try(at(0)).unwrap();
        let other = outbox.next_try(at(0)).unwrap();
        assert_eq!((first.id, other.id), (0, 2));
        assert!(outbox.next_try(at(0)).is_none());
        assert!(outbox.on_reply(first.id, at(10), &status(500)).is_none());
        // The first message waits for its second try, and the second message for the first one.
        assert!(outbox.next_try(at(20)).is_none());
        let again = outbox.next_try(at(1_000)).unwrap();
        assert_eq!(again.id, first.id);
        assert!(outbox.on_reply(again.id, at(1_000), &status(400)).is_some());
        assert_eq!(outbox.next_try(at(1_000)).unwrap().id, 1);
    }

    #[test]
    fn a_silent_consumer_holds_few_connections() {
        let mut outbox = outbox((0..50).map(|run| message(Some(run))));
        let sent = core::iter::from_fn(|| outbox.next_try(at(0))).count();
        assert_eq!(sent, MAX_IN_FLIGHT);
        assert_eq!(outbox.wake_at(), None, "only a reply frees a slot");
        let undelivered = outbox.give_up();
        assert_eq!(undelivered.len(), 50);
        assert!(outbox.is_empty());
    }
}
