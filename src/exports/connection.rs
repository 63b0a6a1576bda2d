//! The connection that a caller of the WIT passes.

use crate::bindings::hightouch::sync::types as wit;
use crate::engine::{Failure, Goal, Options, Outcome};
use crate::hightouch::{ApiKey, Origin};
use crate::host::{Clock, Connection, Driver, Redact};

/// Carries out one operation.
pub(super) async fn carry_out<G: Goal<Report: Redact>>(
    connection: &wit::Connection,
    goal: Result<G, Failure<G::Report>>,
    options: Options,
) -> Outcome<G::Report> {
    let goals = vec![goal?];
    let connection = open(connection, &goals)?;
    Driver::new(goals, options, connection, Clock::start())
        .finish_first()
        .await
}

/// Validates the connection.
///
/// # Errors
///
/// Returns an error if the API key or the origin is invalid, or if a goal contains the API key as a
/// name.
pub(super) fn open<G: Goal>(
    connection: &wit::Connection,
    goals: &[G],
) -> Result<Connection, Failure<G::Report>> {
    let key = ApiKey::new(&connection.api_key).map_err(Failure::invalid_input)?;
    let origin = match &connection.api_origin {
        Some(origin) => origin.parse().map_err(Failure::invalid_input)?,
        None => Origin::default(),
    };
    if goals.iter().flat_map(Goal::names).any(|name| key.is(&name)) {
        return Err(Failure::secret_as_name());
    }
    Ok(Connection {
        origin,
        key,
        trace: Vec::new(),
    })
}
