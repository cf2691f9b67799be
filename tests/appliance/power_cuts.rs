//! The power is cut at random moments under load, again and again: what was acknowledged is there, once and whole.
//!
//! `PILLARBOX_CUTS=n` for another number of cuts (of which each of the two tests does half), `PILLARBOX_SEED=n` for the
//! moments of an earlier run.

use crate::appliance::{ADDRESS, Appliance, PATIENCE};
use crate::lines;
use crate::mailbox::Sender;
use crate::nbd::Random;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CUTS: u64 = 20;
const SENDERS: usize = 4;
/// One life in so many ends already while it boots.
const SHORT_LIVES: u64 = 5;

fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// What was sent and what is known of it.
#[derive(Default)]
struct Ledger {
    acknowledged: Mutex<BTreeSet<String>>,
    count: AtomicUsize,
}

impl Ledger {
    /// Sends until the connection breaks.
    fn send(&self, port: u16, life: u64, sender: usize) -> Option<()> {
        let mut smtp = Sender::connect(port)?;
        for number in 0.. {
            let token = format!("t-{life}-{sender}-{number}");
            // Every third message is larger than one chunk of the log.
            let reply = smtp.send(ADDRESS, &token, if number % 3 == 2 { 600 } else { 20 })?;
            assert!(reply.starts_with("250"), "{reply}");
            self.acknowledged.lock().unwrap().insert(token);
            self.count.fetch_add(1, Ordering::SeqCst);
        }
        None
    }
}

/// One life under load, cut at a moment after some messages; or in the middle of the disk's writes, of which some are lost.
fn live(appliance: &mut Appliance, ledger: &Ledger, life: u64, random: &mut Random, tears: bool) {
    let (port, already) = (appliance.port(25), ledger.count.load(Ordering::SeqCst));
    let enough = already + 1 + random.below(30) as usize;
    let moment = Duration::from_micros(random.below(300_000));
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            scope.spawn(move || ledger.send(port, life, sender));
        }
        if tears {
            appliance.disk().stop_after(1 + random.below(100));
            appliance.disk().wait_until_stopped(PATIENCE);
            drop(appliance.cut());
            return;
        }
        let begin = Instant::now();
        while ledger.count.load(Ordering::SeqCst) < enough {
            assert!(begin.elapsed() < PATIENCE, "no message is acknowledged any more");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(moment);
        appliance.cut();
    });
}

fn cut_again_and_again(mut appliance: Appliance, tears: bool) {
    let cuts = setting("PILLARBOX_CUTS").unwrap_or(CUTS).div_ceil(2);
    let seed = setting("PILLARBOX_SEED").unwrap_or_else(|| std::process::id().into());
    println!("\n{cuts} power cuts; PILLARBOX_SEED={seed} repeats their moments");
    let mut random = Random(seed);
    let ledger = Ledger::default();
    let mut known: Vec<String> = Vec::new();
    for life in 0..=cuts {
        appliance.power();
        if life % SHORT_LIVES == SHORT_LIVES - 1 {
            appliance.line(lines::BEGIN);
            std::thread::sleep(Duration::from_millis(random.below(3_000)));
            appliance.cut();
        } else {
            appliance.wait_for_mail();
            // What is new since the last life; all of it at the end.
            let first = if life == cuts { 1 } else { known.len() + 1 };
            known.truncate(first - 1);
            known.extend(appliance.mailbox().tokens(first));
            let there: BTreeSet<&String> = known.iter().collect();
            assert_eq!(there.len(), known.len(), "a message is there twice");
            let acknowledged = ledger.acknowledged.lock().unwrap().clone();
            let lost: Vec<_> = acknowledged.iter().filter(|token| !there.contains(token)).collect();
            assert!(
                lost.is_empty(),
                "{} of {} acknowledged messages are lost: {lost:?}",
                lost.len(),
                acknowledged.len()
            );
            if life < cuts {
                live(&mut appliance, &ledger, life, &mut random, tears);
            }
        }
        if tears && life < cuts {
            println!("  cut {life}: {:?}", appliance.disk().cut(random.below(u64::MAX)));
        }
    }
    println!("{} messages were acknowledged, {} are there", ledger.acknowledged.lock().unwrap().len(), known.len());
    appliance.cut();
}

#[test]
#[ignore = "needs the image: cargo image build"]
fn nothing_acknowledged_is_lost_on_a_card() {
    cut_again_and_again(Appliance::seasoned(), false);
}

#[test]
#[ignore = "needs the image: cargo image build"]
fn nothing_acknowledged_is_lost_on_a_disk_that_tears() {
    cut_again_and_again(Appliance::seasoned().on_a_disk_that_tears(), true);
}
