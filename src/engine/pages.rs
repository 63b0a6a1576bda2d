//! Reading a list page by page.

use super::attempt_error::AttemptError;
use super::operation::Reply;
use crate::hightouch::{PAGE, ReadError, RunId, RunsPage};

/// The most pages of one list that are read.
const MOST: usize = 20;

/// Maximum number of entries per page after each response over the size limit.
const SMALLER: [usize; 3] = [20, 4, 1];

/// The page size to ask for after a page of this size was over the size limit.
pub(super) fn smaller_page(limit: usize) -> usize {
    SMALLER
        .into_iter()
        .find(|smaller| *smaller < limit)
        .unwrap_or(1)
}

/// How far a list has been read.
#[derive(Debug)]
pub(super) struct Pages {
    /// Where the next page begins.
    pub(super) offset: usize,
    /// How many entries it may hold.
    pub(super) limit: usize,
    read: usize,
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            offset: 0,
            limit: PAGE,
            read: 0,
        }
    }
}

impl Pages {
    /// The same list, to be read from the start with pages of the same size.
    pub(super) fn again(&self) -> Self {
        Self {
            limit: self.limit,
            ..Self::default()
        }
    }

    /// Whether more than one was read.
    pub(super) fn several(&self) -> bool {
        self.read > 1
    }

    /// Reads the answer to the request for the next page; true where there is another.
    pub(super) fn note(
        &mut self,
        reply: Reply,
        read: impl FnOnce(&[u8]) -> Result<RunsPage, ReadError>,
    ) -> Result<bool, AttemptError> {
        let answer = reply.map_err(AttemptError::TransportError)?;
        if !answer.ok() {
            return Err(AttemptError::refused(&answer));
        }
        let unreadable = |why| AttemptError::Unreadable {
            status: answer.status,
            why,
        };
        let body = answer.whole();
        if matches!(body, Err(ReadError::TooLong)) && self.limit > 1 {
            self.limit = smaller_page(self.limit);
            return Ok(true);
        }
        let page = body.and_then(read).map_err(unreadable)?;
        let has_more = page.has_more.unwrap_or(page.entries >= self.limit);
        if page.entries == 0 && has_more {
            return Err(unreadable(ReadError::EmptyPage));
        }
        self.offset += page.entries;
        self.read += 1;
        if !has_more {
            return Ok(false);
        }
        if self.read == MOST {
            Err(unreadable(ReadError::TooManyPages(MOST)))
        } else {
            Ok(true)
        }
    }
}

/// Which way a list of runs goes. Hightouch lists them by ID; whether the newest comes first is not documented.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    last: Option<RunId>,
    rises: bool,
    falls: bool,
}

impl Order {
    pub(super) fn note(&mut self, run: RunId) {
        if let Some(last) = self.last.replace(run) {
            self.rises |= last < run;
            self.falls |= last > run;
        }
    }

    /// The run that was read last.
    pub(super) fn last(&self) -> Option<RunId> {
        self.last
    }

    /// Whether it goes neither way.
    pub(super) fn is_mixed(&self) -> bool {
        self.falls && self.rises
    }

    /// Whether what has been read begins with the oldest run.
    pub(super) fn oldest_first(&self) -> bool {
        self.rises && !self.falls
    }

    /// Whether what has been read begins with the newest run, so that what follows is older.
    pub(super) fn newest_first(&self) -> bool {
        self.falls && !self.rises
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_list_that_falls_throughout_is_newest_first() {
        for (ids, expected) in [
            (&[3, 2, 1][..], true),
            (&[1, 2, 3][..], false),
            (&[3, 1, 2][..], false),
            (&[1][..], false),
            (&[][..], false),
        ] {
            let mut order = Order::default();
            for id in ids {
                order.note(RunId::try_from(*id).unwrap());
            }
            assert_eq!(order.newest_first(), expected, "{ids:?}");
        }
    }
}
