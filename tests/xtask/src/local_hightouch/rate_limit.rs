//! The rate limit of a workspace.

use std::collections::VecDeque;
use std::time::Duration;

use time::OffsetDateTime;

use super::clock::http_date;

/// The format of `Retry-After` in a 429 response. Hightouch does not document whether it sends the
/// header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryAfter {
    /// No header.
    #[default]
    Absent,
    /// A number of seconds.
    Seconds,
    /// An HTTP date.
    Date,
}

impl RetryAfter {
    /// Returns the header's value for a retry at `until`. Both formats have a precision of one
    /// second, rounded up.
    pub(super) fn value(self, now: OffsetDateTime, until: OffsetDateTime) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::Seconds => {
                let wait = (until - now).whole_milliseconds().max(0);
                Some((wait.saturating_add(999) / 1000).max(1).to_string())
            }
            Self::Date => {
                let below_a_second = time::Duration::nanoseconds(until.nanosecond().into());
                let whole = until - below_a_second;
                Some(http_date(if below_a_second.is_zero() {
                    whole
                } else {
                    whole + time::Duration::SECOND
                }))
            }
        }
    }
}

/// The rate limit of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Maximum number of requests in any period of the duration `period`.
    pub requests: usize,
    /// The duration in which the requests are counted.
    pub period: Duration,
    /// The format of `Retry-After` in a refusal.
    pub retry_after: RetryAfter,
}

impl Default for RateLimit {
    /// Returns Hightouch's limit of 200 requests in 10 s.
    fn default() -> Self {
        Self {
            requests: 200,
            period: Duration::from_secs(10),
            retry_after: RetryAfter::default(),
        }
    }
}

/// Counts the requests of one workspace. Refused requests do not count.
#[derive(Debug)]
pub(super) struct Limiter {
    limit: RateLimit,
    accepted: VecDeque<OffsetDateTime>,
}

impl Limiter {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            accepted: VecDeque::new(),
        }
    }

    /// Accepts or refuses a request. If it refuses the request, it returns the time at which it
    /// will accept one.
    pub(super) fn accept(&mut self, now: OffsetDateTime) -> Result<(), OffsetDateTime> {
        while let Some(oldest) = self.accepted.front() {
            if *oldest + self.limit.period > now {
                break;
            }
            self.accepted.pop_front();
        }
        if self.accepted.len() < self.limit.requests {
            self.accepted.push_back(now);
            return Ok(());
        }
        Err(self.accepted.front().map_or(now, |oldest| *oldest) + self.limit.period)
    }
}

#[cfg(test)]
mod tests {
    use time::ext::NumericalDuration;
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-01-01 00:00:00.250 UTC);

    #[test]
    fn the_request_after_the_200th_is_refused_until_the_first_is_10_seconds_old() {
        let mut limiter = Limiter::new(RateLimit::default());
        for _ in 0..200 {
            assert_eq!(limiter.accept(START), Ok(()));
        }
        assert_eq!(
            limiter.accept(START + 1.seconds()),
            Err(START + 10.seconds())
        );
        assert_eq!(limiter.accept(START + 10.seconds()), Ok(()));
    }

    #[test]
    fn a_retry_after_the_given_time_is_accepted() {
        let until = START + 1.5.seconds();
        let value = |form: RetryAfter| form.value(START, until);
        assert_eq!(value(RetryAfter::Absent), None);
        assert_eq!(value(RetryAfter::Seconds).as_deref(), Some("2"));
        assert_eq!(
            value(RetryAfter::Date).as_deref(),
            Some("Thu, 01 Jan 2026 00:00:02 GMT")
        );
    }
}
