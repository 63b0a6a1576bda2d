//! The server's clock and the formats of its times.
//!
//! It follows tokio's clock, so with a paused clock a run of an hour takes no real time.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tokio::time::Instant;

const WITH_Z: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const WITH_OFFSET: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]+00:00");
const IMF_FIXDATE: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);

/// A wall clock that advances with tokio's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    base: OffsetDateTime,
}

impl Clock {
    /// Starts a clock at the system's time in whole milliseconds, which is the API's precision.
    pub(super) fn start() -> Self {
        let now = OffsetDateTime::now_utc();
        let below_a_millisecond = Duration::from_nanos(u64::from(now.nanosecond() % 1_000_000));
        Self {
            started: Instant::now(),
            base: now - below_a_millisecond,
        }
    }

    /// Returns the time since the start, in whole milliseconds.
    pub(super) fn elapsed(&self) -> Duration {
        let elapsed = self.started.elapsed();
        Duration::new(
            elapsed.as_secs(),
            elapsed.subsec_millis().saturating_mul(1_000_000),
        )
    }

    /// Returns the wall-clock time.
    pub(super) fn now(&self) -> OffsetDateTime {
        self.base + self.elapsed()
    }
}

/// Formats a time as RFC 3339 with milliseconds and `Z`, as most of the API does.
pub(super) fn with_z(time: OffsetDateTime) -> String {
    time.format(WITH_Z).unwrap_or_default()
}

/// Formats a time as RFC 3339 with milliseconds and `+00:00`, as the API does in sequence runs.
pub(super) fn with_offset(time: OffsetDateTime) -> String {
    time.format(WITH_OFFSET).unwrap_or_default()
}

/// Formats a time as an HTTP date (RFC 9110), for `Date` and `Retry-After`.
pub(super) fn http_date(time: OffsetDateTime) -> String {
    time.format(IMF_FIXDATE).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const TIME: OffsetDateTime = datetime!(2022-02-08 16:11:04.712 UTC);

    #[test]
    fn times_are_written_as_the_api_writes_them() {
        assert_eq!(with_z(TIME), "2022-02-08T16:11:04.712Z");
        assert_eq!(with_offset(TIME), "2022-02-08T16:11:04.712+00:00");
        assert_eq!(http_date(TIME), "Tue, 08 Feb 2022 16:11:04 GMT");
    }

    #[tokio::test(start_paused = true)]
    async fn the_wall_clock_follows_a_paused_clock() {
        let clock = Clock::start();
        let before = clock.now();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.now() - before, time::Duration::HOUR);
    }
}
