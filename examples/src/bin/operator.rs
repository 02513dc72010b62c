//! Plans, applies, resumes and explains access across systems: see `provisionr_examples::operator`.

use std::process::ExitCode;

fn main() -> ExitCode {
    provisionr_examples::operator::main(std::env::args_os())
}
