//! The commands: run a sync, serve the endpoint, start the local Hightouch, build the components.

use std::process::ExitCode;

use clap::Parser as _;
use hightouch_sync_host::commands::Arguments;

fn main() -> ExitCode {
    match Arguments::parse().carry_out() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
