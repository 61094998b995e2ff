//! The program `alert-dispatcher`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cascade_service::run_service(&alert_dispatcher::PROGRAM, alert_dispatcher::run)
}
