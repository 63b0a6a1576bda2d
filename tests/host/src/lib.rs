//! What hightouch-sync is built, run and tested with.

pub mod build;
pub mod hightouch;
pub mod host;
