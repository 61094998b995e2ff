//! The program `cascade-signals`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cascade_service::run_service(&cascade_signals::PROGRAM, cascade_signals::run)
}
