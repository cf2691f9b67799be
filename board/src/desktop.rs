//! Any other machine: somebody else looks after its hardware. Matches everything, so it is the last of the table.

use crate::definition::{Clock, Definition, Kind, Modules};

pub(crate) const DEFINITION: Definition = Definition {
    name: "desktop",
    kind: Kind::Desktop,
    matches: |_| true,
    modules: Modules { early: &[], late: &[] },
    led: &[],
    watchdog: None,
    card: &[],
    clock: Clock::Rtc,
    thermal: None,
};
