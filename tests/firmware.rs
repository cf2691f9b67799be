//! The cross-built binary, run by an emulator, takes a mail in and hands it out. `cargo ci` builds it and sets
//! `PILLARBOX_RUN`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{Server, succeed};

#[test]
#[ignore = "needs the firmware: cargo ci --only firmware"]
fn a_mail_goes_through_the_firmware() {
    assert!(std::env::var("PILLARBOX_RUN").is_ok(), "PILLARBOX_RUN must name the emulator and the firmware");
    let mut server = Server::start();
    let file = server.message_file("firmware.eml", "ann", "through the firmware", "Hello from another processor.");
    let mut send = std::process::Command::new("curl");
    send.args(["-sS", &format!("smtp://127.0.0.1:{}/client.invalid", server.port("smtp"))]);
    send.args(["--mail-from", "bob@example.org", "--mail-rcpt", "ann@example.org", "--upload-file"]).arg(&file);
    succeed(&mut send, b"");
    // It is on the card: a kill loses nothing.
    server.kill();
    server.run();
    let mut read = std::process::Command::new("curl");
    read.args(["-sS", "--cacert"]).arg(server.ca());
    read.args([&format!("imaps://localhost:{}/INBOX;UID=1", server.port("imaps")), "--user"]);
    let message = succeed(read.arg(format!("ann@example.org:{}", Server::password("ann"))), b"");
    assert!(message.contains("Hello from another processor."), "{message}");
    assert_eq!(server.stop(), Some(0));
}
