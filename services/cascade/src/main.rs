//! The program `cascade`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(cascade_command::main())
}
