//! The program `jobalerts`: see the library for everything.

use std::process::ExitCode;

fn main() -> ExitCode {
    jobalerts::cli::main()
}
