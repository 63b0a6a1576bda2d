//! Promises to users, each held by the built components in a real host.
