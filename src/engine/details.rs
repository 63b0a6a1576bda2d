//! Reading the details of syncs: their slugs and destinations.
//!
//! No run depends on these details. So each request is sent once, and what cannot be read stays
//! unknown. The requests do not belong to an operation. The rate limiter gives them their turns in
//! [`Batch::take_turn`](super::Batch::take_turn), after all operations.

use core::time::Duration;

use super::step::Event;
use crate::hightouch::{Destination, DestinationId, ReadError, Request, SyncDetails, SyncId};

/// Maximum time for the response to a request for details.
pub const DETAILS_TIMEOUT: Duration = Duration::from_secs(3);

/// The details of a sync. What could not be read is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The slug of the sync.
    pub slug: Option<String>,
    /// The destination of the sync.
    pub destination: Option<Destination>,
}

/// Reads the details of syncs, one request at a time. Each sync and each destination is requested
/// once.
#[derive(Debug, Default)]
pub struct DetailsReader {
    /// The syncs, in the order in which they are read.
    syncs: Vec<(SyncId, Progress)>,
    /// The destinations that were read.
    destinations: Vec<(DestinationId, Option<Destination>)>,
    is_in_flight: bool,
}

/// The progress of reading the details of a sync.
#[derive(Debug)]
enum Progress {
    /// Nothing was read.
    Nothing,
    /// The sync was read, but not its destination.
    Sync(Option<String>, DestinationId),
    /// Everything was read that can be read.
    Complete(Details),
}

impl DetailsReader {
    /// Adds a sync, unless it was added before.
    pub fn add(&mut self, sync: SyncId) {
        if self.progress(sync).is_none() {
            self.syncs.push((sync, Progress::Nothing));
        }
    }

    /// Returns the details of a sync; `None` if they are still being read, or if the sync was not
    /// added.
    pub fn get(&self, sync: SyncId) -> Option<&Details> {
        match self.progress(sync)? {
            Progress::Complete(details) => Some(details),
            Progress::Nothing | Progress::Sync(..) => None,
        }
    }

    /// Returns the next request; `None` if a request is in flight, or if all details are complete.
    /// Call [`sent`](Self::sent) if it was sent.
    pub fn next_request(&self) -> Option<Request> {
        if self.is_in_flight {
            return None;
        }
        self.syncs
            .iter()
            .find_map(|(sync, progress)| match progress {
                Progress::Nothing => Some(Request::sync(*sync)),
                Progress::Sync(_, destination) => Some(Request::destination(*destination)),
                Progress::Complete(_) => None,
            })
    }

    /// Records that the request was sent. [`on_reply`](Self::on_reply) has to follow, at most
    /// [`DETAILS_TIMEOUT`] later.
    pub fn sent(&mut self) {
        self.is_in_flight = true;
    }

    /// Handles the reply to the request in flight.
    pub fn on_reply(&mut self, reply: &Event) {
        self.is_in_flight = false;
        let mut syncs = self.syncs.iter_mut().map(|(_, progress)| progress);
        let incomplete = syncs.find(|progress| !matches!(progress, Progress::Complete(_)));
        let Some(progress) = incomplete else { return };
        *progress = match core::mem::replace(progress, Progress::Nothing) {
            Progress::Nothing => {
                let read = read(reply, SyncDetails::read).unwrap_or_default();
                match read.destination_id {
                    Some(destination) => Progress::Sync(read.slug, destination),
                    None => Progress::complete(read.slug, None),
                }
            }
            Progress::Sync(slug, destination) => {
                let read = read(reply, Destination::read);
                self.destinations.push((destination, read.clone()));
                Progress::complete(slug, read)
            }
            complete @ Progress::Complete(_) => complete,
        };
        self.use_known_destinations();
    }

    /// Stops reading. What was not read stays unknown. A request in flight is abandoned:
    /// [`on_reply`](Self::on_reply) does not follow.
    pub fn stop(&mut self) {
        self.is_in_flight = false;
        for (_, progress) in &mut self.syncs {
            *progress = match core::mem::replace(progress, Progress::Nothing) {
                Progress::Nothing => Progress::complete(None, None),
                Progress::Sync(slug, _) => Progress::complete(slug, None),
                complete @ Progress::Complete(_) => complete,
            };
        }
    }

    fn progress(&self, sync: SyncId) -> Option<&Progress> {
        let found = self.syncs.iter().find(|(added, _)| *added == sync);
        found.map(|(_, progress)| progress)
    }

    /// Completes the syncs whose destination was read for another sync.
    fn use_known_destinations(&mut self) {
        for (_, progress) in &mut self.syncs {
            let Progress::Sync(slug, destination) = progress else {
                continue;
            };
            let mut known = self.destinations.iter();
            if let Some((_, read)) = known.find(|(known, _)| known == destination) {
                *progress = Progress::complete(slug.take(), read.clone());
            }
        }
    }
}

impl Progress {
    fn complete(slug: Option<String>, destination: Option<Destination>) -> Self {
        Self::Complete(Details { slug, destination })
    }
}

/// Reads the body of a response; `None` if the response is not successful or cannot be read.
fn read<T>(reply: &Event, read: impl FnOnce(&[u8]) -> Result<T, ReadError>) -> Option<T> {
    match reply {
        Event::Response(response) if response.is_success() => {
            response.complete_body().and_then(read).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::engine::{TransportError, TransportErrorKind};
    use crate::hightouch::Response;

    fn sync(id: u64) -> SyncId {
        id.try_into().unwrap()
    }

    fn answer(body: &str) -> Event {
        Event::Response(Response::new(200, body))
    }

    /// Sends the next request, whose path has to end in `path`.
    fn exchange(reader: &mut DetailsReader, path: &str, reply: &Event) {
        let request = reader.next_request().unwrap();
        assert!(request.target.ends_with(path), "{} {path}", request.target);
        reader.sent();
        assert!(reader.next_request().is_none(), "one request at a time");
        reader.on_reply(reply);
    }

    fn crm() -> Option<Destination> {
        Some(Destination {
            kind: "salesforce".into(),
            slug: "crm".into(),
        })
    }

    const CRM: &str = r#"{"id":9,"type":"salesforce","slug":"crm"}"#;

    #[test]
    fn each_sync_and_each_destination_is_requested_once() {
        let mut reader = DetailsReader::default();
        for id in [1, 2, 1, 3] {
            reader.add(sync(id));
        }
        let answers = ["a", "b"].map(|slug| format!(r#"{{"slug":"{slug}","destinationId":9}}"#));
        exchange(&mut reader, "/syncs/1", &answer(&answers[0]));
        assert_eq!(reader.get(sync(1)), None);
        exchange(&mut reader, "/destinations/9", &answer(CRM));
        exchange(&mut reader, "/syncs/2", &answer(&answers[1]));
        exchange(&mut reader, "/syncs/3", &answer(r#"{"destinationId":9}"#));
        assert!(reader.next_request().is_none());
        for (id, slug) in [(1, Some("a")), (2, Some("b")), (3, None)] {
            let details = reader.get(sync(id)).unwrap();
            assert_eq!(details.slug.as_deref(), slug);
            assert_eq!(details.destination, crm());
        }
    }

    #[test]
    fn what_fails_stays_unknown_and_is_not_requested_again() {
        let timeout = Event::TransportError(TransportError {
            kind: TransportErrorKind::TimedOut,
            text: "no response".into(),
        });
        let mut cut = Response::new(200, r#"{"slug":"a","destinationId":9}"#);
        cut.end = crate::hightouch::BodyEnd::Incomplete;
        for failed in [
            timeout,
            Event::Response(cut),
            Event::Response(Response::new(404, "")),
            answer("<html>"),
            answer("[]"),
        ] {
            let mut reader = DetailsReader::default();
            reader.add(sync(1));
            exchange(&mut reader, "/syncs/1", &failed);
            assert!(reader.next_request().is_none(), "{failed:?}");
            assert_eq!(reader.get(sync(1)), Some(&Details::default()));

            let mut reader = DetailsReader::default();
            reader.add(sync(1));
            let found = answer(r#"{"slug":"a","destinationId":9}"#);
            exchange(&mut reader, "/syncs/1", &found);
            exchange(&mut reader, "/destinations/9", &failed);
            let details = reader.get(sync(1)).unwrap();
            assert_eq!(details.slug.as_deref(), Some("a"));
            assert_eq!(details.destination, None, "{failed:?}");
        }
    }

    #[test]
    fn after_a_stop_nothing_is_requested() {
        let mut reader = DetailsReader::default();
        for id in 1..=3 {
            reader.add(sync(id));
        }
        exchange(
            &mut reader,
            "/syncs/1",
            &answer(r#"{"slug":"a","destinationId":9}"#),
        );
        reader.sent();
        reader.stop();
        assert!(reader.next_request().is_none());
        assert_eq!(reader.get(sync(1)).unwrap().slug.as_deref(), Some("a"));
        assert_eq!(reader.get(sync(3)), Some(&Details::default()));
    }
}
