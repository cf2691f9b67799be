//! What PID 1 writes to the console, as far as tests wait for it.

/// Stage one or two of a start: the first line of each.
pub const BEGIN: &str = "pillarbox: Pillarbox ";
/// Mail is served.
pub const READY: &str = "pillarbox: ready";
/// The memory that programs use, in KiB: the first number after this.
pub const MEMORY: &str = "pillarbox: memory in use: ";
/// An address of an interface.
pub const ADDRESS: &str = "pillarbox: address ";
/// First boot.
pub const GROWN: &str = "the data partition grows to ";
/// The clock has been asked for; not in a sandbox without a network.
pub const SET_UP_FAILED: &str = "pillarbox: set-up: ";
/// `pillarbox.drill=freeze-serve`.
pub const SERVE_FROZEN: &str = "drill: serve is stopped";
/// What follows from it.
pub const SERVE_KILLED: &str = "serve has no heartbeat and is killed";
/// `pillarbox.drill=freeze-init`.
pub const INIT_FROZEN: &str = "drill: PID 1 freezes";
/// At the start after a reset by the watchdog.
pub const WATCHDOG_RESET: &str = "the last start was a reset by the watchdog";
/// Shutdown has let go of the card.
pub const RELEASED: &str = "the card may be taken out";
/// A bundle was found.
pub const INSTALLING: &str = "update: installing ";
/// It is good.
pub const INSTALLED: &str = "update: installed";
/// It is not.
pub const REFUSED: &str = " was not installed";
/// A version is tried.
pub const ON_TRIAL: &str = " is on trial, try ";
/// And stays.
pub const CONFIRMED: &str = "the new version has moved its test mail and stays";
/// Or not.
pub const ROLLED_BACK: &str = " did not pass its test mail in ";
/// The order on the boot partition is carried out.
pub const ERASED: &str = "factory reset: done";
/// The order is not understood.
pub const UNCLEAR: &str = "factory-reset.txt does not say what to erase";
