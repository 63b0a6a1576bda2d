//! The commands: run a sync, serve the endpoint, start the local Hightouch, build the components.

fn main() -> std::process::ExitCode {
    xtask::cli::main()
}
