//! A command on this machine with the credentials of a pod: its environment, the endpoint that hands them out, and its process.

pub mod endpoint;
pub mod environment;
pub mod process;
pub mod program;
pub mod supply;

use futures::future::{Either, select};

use self::{endpoint::Endpoint, process::Running, supply::Supply};
use crate::failure::{Code, Result};

/// Serves credentials, and keeps them fresh, until the command ends.
///
/// # Errors
/// When the command cannot be waited for.
pub async fn until_it_ends(running: Running, endpoint: &Endpoint, supply: &Supply<'_>) -> Result<Code> {
    let serving = futures::future::join(endpoint.serve(supply), supply.keep());
    match select(std::pin::pin!(running.end()), std::pin::pin!(serving)).await {
        Either::Left((ended, _)) => ended,
        Either::Right(((never, _), _)) => match never {},
    }
}
