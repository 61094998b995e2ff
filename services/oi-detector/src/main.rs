//! The program `oi-detector`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cascade_service::run_service(&oi_detector::PROGRAM, oi_detector::run)
}
