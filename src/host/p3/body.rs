//! Reads a body.

use core::mem;
use core::pin::pin;

use wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamResult};

use super::deadline::Deadline;
use super::http_types::{ErrorCode, Trailers};

/// The capacity of the first buffer, in bytes. Most responses of Hightouch fit into it.
const FIRST_CAPACITY: usize = 2 * 1024;
/// The factor by which a full buffer grows. Few large steps leave little memory behind that is too
/// small to be used again.
const GROWTH: usize = 8;

/// The end of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyStatus {
    /// The whole body has been read.
    Complete,
    /// The connection failed before the end of the body.
    CutOff,
    /// The body is longer than allowed.
    TooLong,
    /// The deadline passed before the end of the body.
    TimedOut,
}

/// The readable end of a body, and a future that resolves after the end of the body.
type Parts = (
    StreamReader<u8>,
    FutureReader<Result<Option<Trailers>, ErrorCode>>,
);

/// A body that is being received.
pub(crate) struct Body {
    stream: StreamReader<u8>,
    end: FutureReader<Result<Option<Trailers>, ErrorCode>>,
    /// Tells the host that the body was processed when it is dropped.
    _processed: FutureWriter<Result<(), ErrorCode>>,
}

impl Body {
    /// Returns the body with the parts that `consume-body` returned. `processed` is the writable
    /// end of the future that was passed to it.
    pub(crate) fn new(
        (stream, end): Parts,
        processed: FutureWriter<Result<(), ErrorCode>>,
    ) -> Self {
        Self {
            stream,
            end,
            _processed: processed,
        }
    }

    /// Reads at most `max_len` bytes before the deadline. Returns the bytes that have arrived.
    pub(crate) async fn read(
        mut self,
        max_len: usize,
        deadline: &mut Deadline,
    ) -> (Vec<u8>, BodyStatus) {
        let mut bytes = Vec::new();
        loop {
            if bytes.len() == bytes.capacity() {
                // One byte more than allowed shows that the body is too long.
                let capacity = (bytes.len() * GROWTH).clamp(FIRST_CAPACITY, max_len + 1);
                if bytes.try_reserve_exact(capacity - bytes.len()).is_err() {
                    return (bytes, BodyStatus::TooLong);
                }
            }
            let mut read = pin!(self.stream.read(mem::take(&mut bytes)));
            let Some((result, buffer)) = deadline.before(read.as_mut()).await else {
                let (_, buffer) = read.as_mut().cancel();
                return (buffer, BodyStatus::TimedOut);
            };
            bytes = buffer;
            if bytes.len() > max_len {
                bytes.truncate(max_len);
                return (bytes, BodyStatus::TooLong);
            }
            match result {
                StreamResult::Complete(_) => {}
                StreamResult::Dropped => break,
                StreamResult::Cancelled => return (bytes, BodyStatus::CutOff),
            }
        }
        let status = match deadline.before(self.end.into_future()).await {
            Some(Ok(_)) => BodyStatus::Complete,
            Some(Err(_)) => BodyStatus::CutOff,
            None => BodyStatus::TimedOut,
        };
        (bytes, status)
    }
}
