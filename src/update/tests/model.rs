//! Anything in any order, with the power cut anywhere, against a plain model of what may run.

use super::super::simulated::{Choices, Fate};
use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Action {
    /// A bundle is installed; a later version each time.
    Install { kernel: bool, good: bool },
    /// The machine starts; what runs works or does not.
    Start { works: bool },
}

/// What is done, and after how many steps the power is cut, if it is.
fn actions() -> impl Strategy<Value = Vec<(Action, Option<u64>, u64)>> {
    let action = prop_oneof![
        (any::<bool>(), prop::bool::weighted(0.8)).prop_map(|(kernel, good)| Action::Install { kernel, good }),
        prop::bool::weighted(0.6).prop_map(|works| Action::Start { works }),
        prop::bool::weighted(0.6).prop_map(|works| Action::Start { works }),
    ];
    prop::collection::vec((action, prop::option::weighted(0.5, 0..40u64), any::<u64>()), 1..16)
}

/// What a person would write down: the version that is known to work, and the one to be tried with the tries it had.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Model {
    confirmed: String,
    trial: Option<(String, u32)>,
}

impl Model {
    /// Which version a start runs, and what is written down then.
    fn start(&self) -> (String, Self) {
        match &self.trial {
            Some((version, tries)) if *tries < 3 => {
                (version.clone(), Self { trial: Some((version.clone(), tries + 1)), ..self.clone() })
            }
            _ => (self.confirmed.clone(), Self { trial: None, ..self.clone() }),
        }
    }

    fn with_trial(&self, version: &str) -> Self {
        Self { trial: Some((version.to_owned(), 0)), ..self.clone() }
    }

    fn without_trial(&self) -> Self {
        Self { trial: None, ..self.clone() }
    }

    fn confirmed(&self, version: &str) -> Self {
        Self { confirmed: version.to_owned(), trial: None }
    }
}

/// What the card says, in the model's words.
fn observed(card: &Card) -> Model {
    let device = card.device();
    let state = super::super::state::read(&device).unwrap().state;
    let of = |slot| super::super::slot::front(&device, slot, &key()).unwrap().manifest.version.to_string();
    Model {
        confirmed: state.confirmed.slot().map_or("factory".to_owned(), of),
        trial: state.trial.map(|slot| (of(slot), u32::from(state.attempts))),
    }
}

fn check(actions: Vec<(Action, Option<u64>, u64)>) {
    let mut machine = Machine::new();
    let mut good_kernels = vec!["factory".to_owned()];
    let mut model = Model { confirmed: "factory".to_owned(), trial: None };
    let (mut running, mut running_version) = (Running::Factory, "factory".to_owned());
    for (number, (action, stop, seed)) in actions.into_iter().enumerate() {
        if let Some(stop) = stop {
            machine.card.stop_after(stop);
        }
        // What may be written down after this action; all of it, if it is not cut off.
        let mut possible = vec![model.clone()];
        match action {
            Action::Install { kernel, good } => {
                let version = format!("1.{number}.0");
                let mut bundle = Parts { kernel, ..parts(&version) }.make();
                if !good {
                    *bundle.last_mut().unwrap() ^= 1;
                }
                let outcome = machine.install_while(running, &bundle);
                let trial_runs = model.trial.as_ref().is_some_and(|(version, _)| *version == running_version);
                if good && !trial_runs {
                    possible.push(model.without_trial());
                    possible.push(model.with_trial(&version));
                }
                match (&outcome, stop) {
                    (_, Some(_)) => {}
                    (Ok(_), None) => assert!(good && !trial_runs),
                    (Err(error), None) => {
                        assert_eq!(
                            *error,
                            if good {
                                Error::OnTrial
                            } else {
                                Error::Damaged(if kernel { KERNEL_SET[2] } else { BINARY }.to_owned())
                            }
                        );
                    }
                }
                if outcome.is_ok() {
                    possible = vec![model.with_trial(&version)];
                }
            }
            Action::Start { works } => {
                let (expected, started) = model.start();
                let choice = machine.start();
                possible.push(started.clone());
                if choice.kernel_rollback.is_some() {
                    let _ = restore_kernel(&machine.card.device(), &machine.card);
                }
                running = choice.running;
                running_version = choice.version.map_or("factory".to_owned(), |version| version.to_string());
                if stop.is_none() {
                    assert_eq!(running_version, expected);
                    possible = vec![started.clone()];
                }
                if works {
                    let done = confirm(&machine.card.device(), running);
                    let is_trial = started.trial.as_ref().is_some_and(|(version, _)| *version == running_version);
                    if is_trial {
                        possible.push(started.confirmed(&running_version));
                    }
                    if done.is_ok() && is_trial {
                        possible = vec![started.confirmed(&running_version)];
                    }
                }
            }
        }
        if stop.is_some() {
            let fate = [Fate::Lost, Fate::Kept, Fate::Torn][Choices(seed).below(3) as usize];
            machine = Machine::with(machine.card.reboot(fate, seed));
            running = Running::Factory;
            running_version = "none, the power is off".to_owned();
        }
        let found = observed(&machine.card);
        // A kernel set is as good as the version that was confirmed on it.
        if found.confirmed != model.confirmed {
            good_kernels.push(machine.kernel());
        }
        assert!(possible.contains(&found), "{found:?} is none of {possible:?}");
        model = found;
        // At any time, power on would run something that is whole, on a kernel that is whole.
        let twin = Machine::with(machine.card.reboot(Fate::Lost, 0));
        let (choice, binary, kernel) = twin.run();
        assert_eq!(binary, model.start().0);
        assert!(choice.attempt > 0 || good_kernels.contains(&kernel), "{kernel} is none of {good_kernels:?}");
        if stop.is_some() {
            // Somebody switches it on again: the try counts, and what runs is known.
            let (expected, started) = model.start();
            let (choice, binary, _) = machine.run();
            assert_eq!(binary, expected);
            (running, running_version, model) = (choice.running, binary, started);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn it_always_ends_in_a_working_version(actions in actions()) {
        check(actions);
    }
}
