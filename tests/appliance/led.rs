//! What the LED shows, against the board's own table.

use crate::appliance::{ADDRESS, Appliance, PASSWORD};
use crate::mailbox::Sender;
use board::led::State;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
#[ignore = "needs the image: cargo image build"]
fn the_led_tells_how_it_is() {
    let mut appliance = Appliance::blank();
    appliance.power();
    appliance.wait_for_led(State::Booting);
    appliance.wait_for_led(State::WaitingForSetUp);
    appliance.machine().plug_network(false).unwrap();
    appliance.wait_for_led(State::NoNetwork);
    appliance.machine().plug_network(true).unwrap();
    appliance.wait_for_led(State::WaitingForSetUp);
    assert_eq!(appliance.switch_off(), Some(false), "dark");

    let text = format!("[[account]]\naddress = \"{ADDRESS}\"\npassword = \"{PASSWORD}\"\n");
    appliance.put("pillarbox.toml", text.as_bytes());
    appliance.boot();
    appliance.wait_for_led(State::Serving);
    let port = appliance.port(25);
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut sender = Sender::connect(port).unwrap();
            for number in 0.. {
                if enough.load(Ordering::SeqCst) {
                    return;
                }
                assert!(sender.send(ADDRESS, &format!("t-{number}"), 1).unwrap().starts_with("250"));
            }
        });
        appliance.wait_for_led(State::MailMoving);
        enough.store(true, Ordering::SeqCst);
        sending.join().unwrap();
    });
    appliance.wait_for_led(State::Serving);
    appliance.cut();
}
