//! The power is cut at every write: of an installation, of a start, of a confirmation. Whatever the card makes of what was
//! not synced, a working version starts, and the way from there leads to the new one.

use super::super::simulated::Fate;
use super::*;

const FATES: [(Fate, u64); 10] = [
    (Fate::Lost, 0),
    (Fate::Kept, 0),
    (Fate::Torn, 1),
    (Fate::Torn, 2),
    (Fate::Torn, 3),
    (Fate::Torn, 4),
    (Fate::Torn, 5),
    (Fate::Torn, 6),
    (Fate::Torn, 7),
    (Fate::Torn, 8),
];

/// Does `what` with the power cut at each of its writes, and gives every card that may be found then to `check`.
fn cut_everywhere(before: &Card, what: impl Fn(&Machine), check: impl Fn(Machine)) -> u64 {
    let whole = Machine::with(before.reboot(Fate::Lost, 0));
    what(&whole);
    let steps = whole.card.steps();
    for stop in 0..=steps {
        let machine = Machine::with(before.reboot(Fate::Lost, 0));
        machine.card.stop_after(stop);
        what(&machine);
        for (fate, seed) in FATES {
            check(Machine::with(machine.card.reboot(fate, seed.wrapping_add(stop << 8))));
        }
    }
    steps
}

/// A card on which 0.2.0 is confirmed, with its own kernel set or the factory's.
fn confirmed(kernel: bool) -> Card {
    let machine = Machine::new();
    machine.install(&Parts { kernel, ..parts("0.2.0") }.make()).unwrap();
    machine.run();
    confirm(&machine.card.device(), Running::A).unwrap();
    machine.card
}

fn installation(kernel: bool) {
    let bundle = Parts { kernel, ..parts("0.3.0") }.make();
    let before = confirmed(kernel);
    let steps = cut_everywhere(
        &before,
        |machine| drop(machine.install_while(Running::A, &bundle)),
        |machine| {
            let (choice, binary, kernel_version) = machine.run();
            match binary.as_str() {
                "0.2.0" => assert_eq!((choice.attempt, kernel_version == "0.3.0"), (0, false)),
                "0.3.0" => assert_eq!(choice.attempt, 1),
                other => panic!("{other} runs"),
            }
            // Whatever runs works, and says so.
            confirm(&machine.card.device(), choice.running).unwrap();
            // The bundle is still wanted: it is there already, or it is installed.
            machine.install_while(choice.running, &bundle).unwrap();
            let (choice, binary, kernel_version) = machine.run();
            assert_eq!(binary, "0.3.0");
            assert_eq!(kernel_version, if kernel { "0.3.0" } else { "factory" });
            confirm(&machine.card.device(), choice.running).unwrap();
            let (choice, binary, _) = machine.run();
            assert_eq!((choice.attempt, binary.as_str()), (0, "0.3.0"));
        },
    );
    assert!(steps > if kernel { 20 } else { 8 }, "{steps}");
}

#[test]
fn an_installation() {
    installation(false);
}

#[test]
fn an_installation_with_a_kernel_set() {
    installation(true);
}

#[test]
fn an_installation_that_takes_back_what_was_not_started() {
    let machine = Machine::with(confirmed(true));
    machine.install_while(Running::A, &Parts { kernel: true, ..parts("0.3.0") }.make()).unwrap();
    let bundle = Parts { kernel: true, ..parts("0.4.0") }.make();
    cut_everywhere(
        &machine.card,
        |machine| drop(machine.install_while(Running::A, &bundle)),
        |machine| {
            let (choice, binary, kernel) = machine.run();
            match (binary.as_str(), choice.attempt) {
                ("0.2.0", 0) => assert_eq!(kernel, "0.2.0"),
                // Nothing was taken back yet.
                ("0.3.0", 1) => assert_eq!(kernel, "0.3.0"),
                ("0.4.0", 1) => assert!(matches!(kernel.as_str(), "0.2.0" | "0.4.0"), "{kernel}"),
                other => panic!("{other:?} runs"),
            }
        },
    );
}

#[test]
fn a_start_that_counts_a_try() {
    for tries in 0..=3u32 {
        let machine = Machine::with(confirmed(true));
        machine.install_while(Running::A, &Parts { kernel: true, ..parts("0.3.0") }.make()).unwrap();
        (0..tries).for_each(|_| drop(machine.run()));
        cut_everywhere(
            &machine.card,
            // The power cut is what ends it.
            |machine| {
                let choice = machine.start();
                if choice.kernel_rollback.is_some() {
                    let _ = restore_kernel(&machine.card.device(), &machine.card);
                }
            },
            |machine| {
                // A try that was cut off may count or not; tries end at three all the same, and the old version comes back.
                for start in 0.. {
                    let (choice, binary, kernel) = machine.run();
                    if binary == "0.2.0" {
                        assert_eq!((choice.attempt, kernel.as_str()), (0, "0.2.0"));
                        assert!(choice.notes.iter().any(|note| note.contains("did not pass its test mail in 3 tries")));
                        assert!(start + tries >= 2, "given up too early");
                        break;
                    }
                    assert_eq!((binary.as_str(), kernel.as_str()), ("0.3.0", "0.3.0"));
                    assert!(choice.attempt > tries && start < 3, "too many tries");
                }
            },
        );
    }
}

#[test]
fn a_confirmation() {
    let machine = Machine::with(confirmed(true));
    machine.install_while(Running::A, &Parts { kernel: true, ..parts("0.3.0") }.make()).unwrap();
    machine.run();
    cut_everywhere(
        &machine.card,
        |machine| drop(confirm(&machine.card.device(), Running::B)),
        |machine| {
            let (choice, binary, kernel) = machine.run();
            assert_eq!((binary.as_str(), kernel.as_str()), ("0.3.0", "0.3.0"));
            assert!(matches!(choice.attempt, 0 | 2));
        },
    );
}

#[test]
fn counting_starts_does_not_endanger_the_state() {
    let card = confirmed(false);
    cut_everywhere(
        &card,
        |machine| {
            let _ = note_boot(&machine.card.device());
            let _ = clear_boots(&machine.card.device());
        },
        |machine| assert_eq!(machine.run().1, "0.2.0"),
    );
}
