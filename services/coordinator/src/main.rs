//! The program `coordinator`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cascade_service::run_service(&coordinator::PROGRAM, coordinator::run)
}
