//! Many callers at once, each with a sync of its own, some of whose requests go wrong: did each get its own run's true end?
//!
//! The callers and their syncs follow from a seed, and so does what goes wrong. Each caller starts one run through the endpoint
//! and follows it to its end; what it was told is its [`Story`]. Afterwards every story is held against what the local
//! Hightouch knows. The load command does this in real time and measures; a promise does it in virtual time.

mod caller;
mod check;
mod conversation;
mod jobs;
mod judgement;
mod story;
mod truth;

pub use caller::{Caller, Plan, Wait};
pub use check::{Ending, check};
pub use conversation::{client, converse_all};
pub use judgement::Judgement;
pub use story::{Answer, Exchange, Story};
pub use truth::{Truth, truths};
