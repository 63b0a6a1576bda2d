//! Failures of the calls that read the details of a sync and of a destination.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;

use super::faults::Fault;
use super::request::Call;
use super::responses::{ApiResponse, Outcome};

/// Delay of [`DetailsFault::Late`]. It is longer than a client should wait for details.
const LATE: Duration = Duration::from_secs(5);

/// A failure of every call that reads the details of a sync, or of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetailsFault {
    /// The response is a 404.
    NotFound,
    /// The response is a 500 from Hightouch.
    ServerError,
    /// The response is a 429 with `Retry-After`.
    TooMany,
    /// The response is five seconds late.
    Late,
    /// The server never responds.
    Silent,
    /// The connection closes without a response.
    Closed,
    /// The connection is reset without a response.
    Reset,
    /// The response is truncated.
    Truncated,
    /// The response is a proxy's page with status 200.
    Page,
    /// The response is a 200 without a body.
    Empty,
    /// The response is an object whose fields have other types than Hightouch documents.
    WrongTypes,
}

impl DetailsFault {
    /// All faults.
    pub const ALL: &[Self] = &[
        Self::NotFound,
        Self::ServerError,
        Self::TooMany,
        Self::Late,
        Self::Silent,
        Self::Closed,
        Self::Reset,
        Self::Truncated,
        Self::Page,
        Self::Empty,
        Self::WrongTypes,
    ];

    fn fault(self) -> Fault {
        let responded = |response| Fault::Instead(Outcome::Responded(response));
        match self {
            Self::NotFound => responded(ApiResponse::not_found()),
            Self::ServerError => responded(ApiResponse::internal_server_error()),
            Self::TooMany => responded(ApiResponse::too_many_requests(Some("1".to_owned()))),
            Self::Late => Fault::Late(LATE),
            Self::Silent => Fault::Instead(Outcome::Silence),
            Self::Closed => Fault::Instead(Outcome::Closed),
            Self::Reset => Fault::Instead(Outcome::Reset),
            Self::Truncated => Fault::Truncated,
            Self::Page => responded(ApiResponse::page(StatusCode::OK)),
            Self::Empty => responded(ApiResponse::empty(StatusCode::OK)),
            Self::WrongTypes => responded(ApiResponse::ok(&json!({
                "id": ["1"],
                "slug": 7,
                "type": {"name": "salesforce"},
                "destinationId": "the first",
            }))),
        }
    }
}

/// The failures of the calls that read details.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DetailsFaults {
    /// The failure of `GET /syncs/{syncId}`.
    pub sync: Option<DetailsFault>,
    /// The failure of `GET /destinations/{destinationId}`.
    pub destination: Option<DetailsFault>,
}

impl DetailsFaults {
    /// Returns the failure of a call, if it reads details that cannot be read.
    pub(super) fn of(self, call: Call<'_>) -> Option<Fault> {
        let fault = match call {
            Call::GetSync(_) => self.sync,
            Call::GetDestination(_) => self.destination,
            _ => None,
        };
        fault.map(DetailsFault::fault)
    }
}
