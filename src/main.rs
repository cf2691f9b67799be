//! The `pillarbox` program.

use pillarbox::status::allocator::CountingAllocator;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> ExitCode {
    pillarbox::status::allocator::keep_resident_memory_small();
    if pillarbox::init::is_pid_one() {
        pillarbox::init::run();
    }
    pillarbox::command::run()
}
