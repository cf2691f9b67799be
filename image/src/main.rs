//! The host tool of Pillarbox; what it does stands in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    image::command::run()
}
