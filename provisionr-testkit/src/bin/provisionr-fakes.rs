//! Fakes of vendor systems in a process of their own: see `provisionr_testkit::fakes`.

use std::process::ExitCode;

fn main() -> ExitCode {
    provisionr_testkit::fakes::main(std::env::args_os())
}
