//! The thin HTTP trigger: HTTP to the engine and back. It decides nothing about syncs.
//!
//! | request | does |
//! | --- | --- |
//! | `POST /syncs/{sync}/runs` | runs the sync, by ID or slug |
//! | `GET /syncs/{syncId}/runs/{runId}` | awaits a run |
//! | `GET /healthz` | says that it is there |
//!
//! The caller's bearer token is the Hightouch API key.

mod answer;
mod call;
mod caller;
#[cfg(feature = "endpoint")]
mod handler;
#[cfg(feature = "endpoint")]
mod panic;
mod prefer;
mod problem;
mod report;
mod route;
#[cfg(feature = "endpoint")]
mod settings;
