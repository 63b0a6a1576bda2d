//! Reads a body.

use core::cell::Cell;
use core::mem;
use core::pin::pin;

use wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamResult};

use super::deadline::Deadline;
use super::http_types::{ErrorCode, Trailers};
use crate::bindings::wasi::clocks0_3_0::monotonic_clock::wait_for;

/// The capacity of the first buffer, in bytes. Most responses of Hightouch fit into it.
const FIRST_CAPACITY: usize = 2 * 1024;
/// The factor by which a full buffer grows. Few large steps leave little memory behind that is too
/// small to be used again.
const GROWTH: usize = 8;
/// The capacity, in bytes, above which a buffer is large.
const LARGE: usize = FIRST_CAPACITY * GROWTH * GROWTH;
/// Maximum number of large buffers of an instance. The callers of an instance share its memory, and
/// each of them may receive eight long bodies at once.
const MAX_LARGE_BUFFERS: usize = 8;
/// Time after which a body that waits for a large buffer tries again, in nanoseconds. A caller must
/// not wake another, so no caller can announce that it has freed its buffer.
const RETRY: u64 = 20_000_000;

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

thread_local! {
    static LARGE_BUFFERS: Cell<usize> = const { Cell::new(0) };
}

/// The right to have a large buffer.
struct LargeBuffer(());

impl LargeBuffer {
    /// Waits until there are fewer large buffers than the maximum. Returns `None` if the deadline
    /// passes before.
    async fn acquire(deadline: &mut Deadline) -> Option<Self> {
        while LARGE_BUFFERS.get() >= MAX_LARGE_BUFFERS {
            deadline.before(wait_for(RETRY)).await?;
        }
        LARGE_BUFFERS.set(LARGE_BUFFERS.get() + 1);
        Some(Self(()))
    }
}

impl Drop for LargeBuffer {
    fn drop(&mut self) {
        LARGE_BUFFERS.set(LARGE_BUFFERS.get().saturating_sub(1));
    }
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
    /// Reports to the host that the body was processed, when it is dropped.
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
        let mut large_buffer = None;
        loop {
            if bytes.len() == bytes.capacity() {
                // One byte more than allowed shows that the body is too long.
                let capacity = (bytes.len() * GROWTH).clamp(FIRST_CAPACITY, max_len + 1);
                if capacity > LARGE && large_buffer.is_none() {
                    large_buffer = LargeBuffer::acquire(deadline).await;
                    if large_buffer.is_none() {
                        return (bytes, BodyStatus::TimedOut);
                    }
                }
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
