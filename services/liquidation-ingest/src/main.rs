//! The program `liquidation-ingest`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cascade_service::run_service(&liquidation_ingest::PROGRAM, liquidation_ingest::run)
}
