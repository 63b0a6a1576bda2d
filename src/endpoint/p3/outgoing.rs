//! Sends the response.

use core::cell::Cell;
use core::future::poll_fn;
use core::mem;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::rc::Rc;

use wit_bindgen::{FutureWriter, StreamWriter};

use crate::bindings::{wit_future, wit_stream};
use crate::endpoint::response::chunked_buffer::ChunkedBuffer;
use crate::endpoint::response::{Head, READ_TIMEOUT};
use crate::host::Clock;
use crate::host::p3::Progress;
use crate::host::p3::deadline::Deadline;
use crate::host::p3::http_types::{ErrorCode, Fields, Response, Trailers};
use crate::host::waits::Waits;

/// The response, once there is one.
type Slot = Rc<Cell<Option<Result<Response, ErrorCode>>>>;

/// The place for the response to one request. It has the name of its counterpart in WASI 0.2.
pub(in crate::endpoint) struct ResponseOutparam(Slot);

impl ResponseOutparam {
    /// Returns a place, and where its response can be taken from.
    pub(super) fn new() -> (Self, Slot) {
        let slot = Slot::default();
        (Self(Rc::clone(&slot)), slot)
    }

    fn set(self, response: Result<Response, ErrorCode>) {
        self.0.set(Some(response));
    }
}

/// The caller has hung up.
#[derive(Clone, Copy, Debug)]
pub(in crate::endpoint) struct HungUp;

/// A response body that is being written.
pub(in crate::endpoint) struct BodyStream {
    /// The text to write.
    pending: ChunkedBuffer,
    state: State,
    /// Ends the response when it is dropped, after the body.
    _trailers: FutureWriter<Result<Option<Trailers>, ErrorCode>>,
}

enum State {
    /// Nothing is being written.
    Idle(StreamWriter<u8>),
    /// A chunk of this length is being written.
    Writing(
        Pin<Box<dyn Future<Output = Result<StreamWriter<u8>, HungUp>>>>,
        usize,
    ),
    HungUp,
}

impl BodyStream {
    /// Sends the head and opens the body. Returns `None` if the response cannot be built.
    pub(in crate::endpoint) fn open(head: Head, to: ResponseOutparam) -> Option<Self> {
        let status = head.status;
        let response = Fields::from_list(&head.into_fields())
            .ok()
            .and_then(|fields| {
                let (writer, contents) = wit_stream::new();
                let (trailers, no_trailers) = wit_future::new(|| Ok(None));
                let (response, _) = Response::new(fields, Some(contents), no_trailers);
                response.set_status_code(status).ok()?;
                Some((response, writer, trailers))
            });
        let Some((response, writer, trailers)) = response else {
            let text = String::from("the response could not be built");
            to.set(Err(ErrorCode::InternalError(Some(text))));
            return None;
        };
        to.set(Ok(response));
        Some(Self {
            pending: ChunkedBuffer::default(),
            state: State::Idle(writer),
            _trailers: trailers,
        })
    }

    /// Appends a text to the body.
    pub(in crate::endpoint) fn push(&mut self, text: ChunkedBuffer) {
        self.pending.append(text);
    }

    /// Returns the number of bytes that have not been written.
    pub(in crate::endpoint) fn backlog(&self) -> usize {
        let in_flight = match self.state {
            State::Writing(_, length) => length,
            State::Idle(_) | State::HungUp => 0,
        };
        self.pending.len() + in_flight
    }

    /// Adds the body, if there is something to write.
    pub(in crate::endpoint) fn watch<'a>(&'a mut self, waits: &mut Waits<'a>) {
        if self.backlog() > 0 {
            waits.push(self);
        }
    }

    /// Checks whether more can be written. The text is written while the call waits.
    ///
    /// # Errors
    ///
    /// Returns an error if the caller has hung up.
    pub(in crate::endpoint) fn write(&mut self) -> Result<(), HungUp> {
        match self.state {
            State::HungUp => Err(HungUp),
            State::Idle(_) | State::Writing(..) => Ok(()),
        }
    }

    /// Writes the rest and ends the body. If the caller has hung up or reads too slowly, the rest
    /// is not sent.
    pub(in crate::endpoint) async fn finish(mut self, clock: Clock) {
        let mut deadline = Deadline::new(clock, clock.now() + READ_TIMEOUT);
        let rest = poll_fn(|context| self.poll_progress(context));
        deadline.before(rest).await;
    }
}

impl Progress for BodyStream {
    /// Writes all of the text. Returns `Ready` if nothing is left or the caller has hung up.
    fn poll_progress(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            self.state = match mem::replace(&mut self.state, State::HungUp) {
                State::Idle(writer) => match self.pending.take_first() {
                    Some(chunk) => {
                        let length = chunk.len();
                        State::Writing(Box::pin(write_all(writer, chunk)), length)
                    }
                    None => {
                        self.state = State::Idle(writer);
                        return Poll::Ready(());
                    }
                },
                State::Writing(mut write, length) => match write.as_mut().poll(context) {
                    Poll::Ready(Ok(writer)) => State::Idle(writer),
                    Poll::Ready(Err(HungUp)) => State::HungUp,
                    Poll::Pending => {
                        self.state = State::Writing(write, length);
                        return Poll::Pending;
                    }
                },
                State::HungUp => return Poll::Ready(()),
            };
        }
    }
}

/// Writes a chunk.
///
/// # Errors
///
/// Returns an error if the caller has hung up.
async fn write_all(
    mut writer: StreamWriter<u8>,
    chunk: Vec<u8>,
) -> Result<StreamWriter<u8>, HungUp> {
    if writer.write_all(chunk).await.is_empty() {
        Ok(writer)
    } else {
        Err(HungUp)
    }
}
