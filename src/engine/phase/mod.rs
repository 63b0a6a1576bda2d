//! The phases of an operation. Each phase is a leaf: it sends one kind of request, reads the
//! responses, and returns what it found as [`Next`](super::step::Next). No phase knows another one;
//! [`operation`](super::operation) connects them.

pub(super) mod confirm;
pub(super) mod find;
pub(super) mod locate;
pub(super) mod poll;
pub(super) mod rejected;
pub(super) mod runs;
pub(super) mod sequence;
pub(super) mod trigger;
