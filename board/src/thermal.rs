//! How hot the processor is: the kernel's thermal zone of the type that the board's definition names
//! (Documentation/ABI/testing/sysfs-class-thermal).

use crate::definition::Definition;
use crate::file;
use std::path::Path;

/// Thousandths of a degree Celsius; `None` if the board has no thermometer, or its driver is not there yet.
#[must_use]
pub fn millidegrees(root: &Path, definition: &Definition) -> Option<i32> {
    let wanted = definition.thermal?;
    let class = root.join("sys/class/thermal");
    let zone = file::names(&class).into_iter().map(|name| class.join(name)).find(|zone| {
        // The type is the device tree's node name; some versions write it with an underscore.
        file::text(&zone.join("type")).is_some_and(|kind| kind.replace('_', "-") == wanted)
    })?;
    file::number(&zone.join("temp"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Machine;
    use crate::{desktop, rpi};

    #[test]
    fn the_zone_is_found_by_its_type() {
        let machine = Machine::new();
        assert_eq!(millidegrees(machine.root(), &rpi::DEFINITION), None);
        machine.file("sys/class/thermal/cooling_device0/type", "gpio-fan\n");
        machine.file("sys/class/thermal/thermal_zone0/type", "wifi\n");
        machine.file("sys/class/thermal/thermal_zone0/temp", "99000\n");
        machine.file("sys/class/thermal/thermal_zone1/type", "cpu-thermal\n");
        machine.file("sys/class/thermal/thermal_zone1/temp", "25178\n");
        assert_eq!(millidegrees(machine.root(), &rpi::DEFINITION), Some(25_178));
        assert_eq!(millidegrees(machine.root(), &desktop::DEFINITION), None);
        machine.file("sys/class/thermal/thermal_zone1/temp", "");
        assert_eq!(millidegrees(machine.root(), &rpi::DEFINITION), None);
    }
}
