//! The program `provisionr-fakes` once more, so that what is built with the operator has systems to talk to.

use std::process::ExitCode;

fn main() -> ExitCode {
    provisionr_testkit::fakes::main(std::env::args_os())
}
