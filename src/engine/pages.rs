//! Reading a list page by page.

use super::operation::Reply;
use super::setback::Setback;
use crate::hightouch::{RunId, RunsPage, Unreadable};

/// The most pages of one list that are read.
const MOST: usize = 20;

/// How far a list has been read.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// Where the next page begins.
    pub(super) offset: usize,
    read: usize,
}

impl Pages {
    /// Whether more than one was read.
    pub(super) fn several(&self) -> bool {
        self.read > 1
    }

    /// Reads the answer to the request for the next page; true where there is another.
    pub(super) fn note(
        &mut self,
        reply: Reply,
        read: impl FnOnce(&[u8]) -> Result<RunsPage, Unreadable>,
    ) -> Result<bool, Setback> {
        let answer = reply.map_err(Setback::Trouble)?;
        if !answer.ok() {
            return Err(Setback::refused(&answer));
        }
        let unreadable = |why| Setback::Unreadable { status: answer.status, why };
        let page = answer.whole().and_then(read).map_err(unreadable)?;
        self.offset += page.entries;
        self.read += 1;
        if !page.has_more || page.entries == 0 {
            return Ok(false);
        }
        if self.read == MOST { Err(unreadable(Unreadable::TooManyPages(MOST))) } else { Ok(true) }
    }
}

/// Which way a list of runs goes. Hightouch lists them by ID; whether the newest comes first is not documented.
#[derive(Debug, Default)]
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
