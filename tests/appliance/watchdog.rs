//! Freezing what should move: the child, PID 1. The card that gives errors.

use crate::appliance::{ADDRESS, Appliance, PATIENCE};
use crate::lines;
use crate::mailbox::Sender;
use board::led::State;
use image::qemu::Cause;

#[test]
#[ignore = "needs the image: cargo image build"]
fn a_frozen_server_is_started_again() {
    let mut appliance = Appliance::seasoned();
    appliance.power_with(&["pillarbox.drill=freeze-serve"]);
    appliance.line(lines::SERVE_FROZEN);
    // The LED tells it too, but only until the new one has its first heartbeat: too short to be sure to see it.
    appliance.line(lines::SERVE_KILLED);
    appliance.wait_for_mail();
    appliance.swaks(ADDRESS, "after the freeze");
    assert_eq!(appliance.mailbox().subjects(), ["after the freeze"]);
    assert_eq!(appliance.machine().boots().len(), 1, "the machine itself went on");
    appliance.cut();
}

#[test]
#[ignore = "needs the image: cargo image build"]
fn a_frozen_pid_1_is_reset_by_the_hardware() {
    let mut appliance = Appliance::seasoned();
    appliance.power_with(&["pillarbox.drill=freeze-init"]);
    appliance.line(lines::INIT_FROZEN);
    assert_eq!(appliance.wait_for_boot(2), Cause::Watchdog);
    appliance.line(lines::WATCHDOG_RESET);
    appliance.wait_for_mail();
    appliance.cut();
}

#[test]
#[ignore = "needs the image: cargo image build"]
fn a_failing_card_can_still_be_read() {
    let mut appliance = Appliance::seasoned().on_a_disk_that_tears();
    appliance.boot();
    appliance.swaks(ADDRESS, "while it was well");
    appliance.line(lines::READY);
    appliance.disk().fail_writes();
    let mut sender = Sender::connect(appliance.port(25)).unwrap();
    let begin = std::time::Instant::now();
    let reply = loop {
        let reply = sender.send(ADDRESS, "too late", 1).expect("an answer");
        // The kernel may still have taken one into its memory; nothing was synced, so none is acknowledged.
        if !reply.starts_with("250") {
            break reply;
        }
        assert!(begin.elapsed() < PATIENCE, "a card that takes no writes keeps acknowledging mail");
    };
    assert!(reply.starts_with('4'), "{reply}");
    appliance.wait_for_led(State::CardFailing);
    assert_eq!(appliance.mailbox().subjects(), ["while it was well"]);
    assert_eq!(appliance.machine().boots().len(), 1, "starting again would not help");
    appliance.cut();
}
