//! The power is cut before every write and sync of a long random workload; what was not synced is lost, kept, torn or
//! reordered; then the store is opened again and compared with the model. Then it goes on working, and the power is cut
//! again, during recovery too.

use super::Random;
use super::driver::{Driver, Note};
use super::model::Model;
use super::workload::op;
use crate::store::medium::{Fate, SimulatedMedium};

const FATES: [Fate; 5] = [Fate::Lost, Fate::Kept, Fate::Torn, Fate::Torn, Fate::Killed];

/// The states that a run went through, and the bounds of what a snapshot may hold.
struct History {
    /// Before every change, and after the last one.
    states: Vec<Model>,
    notes: Vec<Note>,
    /// Snapshots that were made while the store was being opened.
    opening: usize,
    /// What the medium may also hold until then: recovery may have seen what was not durable.
    before: Vec<Model>,
}

impl History {
    /// The states that may be found on a medium that was copied as snapshot number `snapshot`.
    fn allowed(&self, snapshot: usize) -> core::ops::RangeInclusive<usize> {
        let promised = |note: &Note| matches!(&note.answer, Some((Ok(_), at)) if *at <= snapshot);
        let least = self.notes.iter().rposition(promised).map_or(0, |last| last + 1);
        let most = self.notes.iter().filter(|note| note.handed_in <= snapshot).count();
        least..=most
    }

    /// What the medium held when it was copied, and what else it may hold after another crash.
    fn check(&self, snapshot: usize, found: &Model, what: &str) -> Vec<Model> {
        let allowed = self.allowed(snapshot);
        let mut may: Vec<Model> = self.states[allowed.clone()].to_vec();
        if snapshot < self.opening {
            may.extend_from_slice(&self.before);
        }
        match may.iter().position(|state| state == found) {
            Some(at) => {
                may.swap(0, at);
                may
            }
            None => panic!(
                "{what}: snapshot {snapshot} holds none of the states {allowed:?}\nfound {found:#?}\nnewest {:#?}",
                self.states[*allowed.end()]
            ),
        }
    }
}

/// Runs a random workload from a state and gives the snapshots of every step and the history.
fn run(
    medium: &SimulatedMedium,
    before: &[Model],
    random: &mut Random,
    steps: usize,
    large: bool,
) -> (Vec<SimulatedMedium>, History) {
    medium.keep_snapshots();
    let begin = &before[0];
    let spares = 1 + random.below(2);
    let opened = Driver::open_with(medium, 50_000 + begin.last_uid_validity as i64, random.next(), |options| {
        options.spares = spares;
    });
    let mut driver = opened.unwrap();
    assert!(driver.report.damage.iter().all(|line| line.starts_with("header of segment")), "{:?}", driver.report);
    let mut model = begin.clone();
    let (opening, before) = (medium.snapshots(), before.to_vec());
    let mut history = History { states: vec![begin.clone()], notes: Vec::new(), opening, before };
    for _ in 0..steps {
        match random.below(24) {
            0 => drop(driver.prewriter.prewrite().unwrap()),
            1 => driver.writer.checkpoint().unwrap(),
            _ => {}
        }
        driver.tick();
        let ops: Vec<_> = (0..1 + random.below(8)).map(|_| op(random, &model, large)).collect();
        driver.submit(&ops).unwrap();
        for note in driver.notes.lock().unwrap().drain(..) {
            let expected = model.apply(&note.op, note.now);
            assert_eq!(note.answer.as_ref().map(|(answer, _)| answer), Some(&expected), "{:?}", note.op);
            history.notes.push(note);
            history.states.push(model.clone());
        }
    }
    let mut snapshots = medium.take_snapshots();
    snapshots.push(medium.clone());
    (snapshots, history)
}

/// Opens what is left of a medium and gives what it holds.
fn open(medium: &SimulatedMedium, what: &str) -> Model {
    let driver = match Driver::open(medium, 1, 1) {
        Ok(driver) => driver,
        Err(error) => panic!("{what}: {error}"),
    };
    // What a crash tears is no damage, but for a segment's header that may be bad in both ways.
    let torn = driver.report.damage.iter().all(|line| line.starts_with("header of segment"));
    assert!(torn, "{what}: {:?}", driver.report.damage);
    driver.read()
}

fn crash(seed: u64, steps: usize, large: bool) -> usize {
    let random = &mut Random(seed);
    let (snapshots, history) = run(&SimulatedMedium::new(), &[Model::new()], random, steps, large);
    let mut cases = 0;
    for (number, snapshot) in snapshots.iter().enumerate() {
        for fate in FATES {
            let choice = random.next();
            let what = format!("seed {seed} snapshot {number} {fate:?} {choice}");
            let left = snapshot.reboot(fate, choice);
            let found = open(&left.reboot(Fate::Killed, 0), &what);
            let may = history.check(number, &found, &what);
            cases += 1;
            if random.below(60) == 0 {
                cases += again(&left, &may, random, &what, 2);
            }
        }
    }
    cases
}

/// Recovers, goes on working, and crashes again: at every step from the first write of the recovery on.
fn again(medium: &SimulatedMedium, may: &[Model], random: &mut Random, before: &str, depth: usize) -> usize {
    let (snapshots, history) = run(medium, may, random, 3, true);
    let mut cases = 0;
    for (number, snapshot) in snapshots.iter().enumerate() {
        let (fate, choice) = (random.pick(&FATES).unwrap(), random.next());
        let what = format!("{before}, then snapshot {number} {fate:?} {choice}");
        let left = snapshot.reboot(fate, choice);
        let found = open(&left.reboot(Fate::Killed, 0), &what);
        let may = history.check(number, &found, &what);
        cases += 1;
        if depth > 0 && random.below(20) == 0 {
            cases += again(&left, &may, random, &what, depth - 1);
        }
    }
    cases
}

#[test]
fn whatever_a_power_cut_leaves_every_acknowledged_change_is_there_and_nothing_half_done() {
    let cases: usize = (0..4).map(|seed| crash(seed, 12, false)).sum();
    assert!(cases > 2_000, "{cases} cases");
}

#[test]
fn the_same_with_messages_of_many_chunks() {
    let cases: usize = (100..103).map(|seed| crash(seed, 12, true)).sum();
    assert!(cases > 2_000, "{cases} cases");
}
