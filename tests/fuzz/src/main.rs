//! One program for all targets, so that the instrumented library is built and linked once.
//!
//! `fuzz targets` names them; `FUZZ_TARGET` chooses one, and libFuzzer's own options follow.

#![no_main]

mod targets;

use std::sync::OnceLock;

static CHOSEN: OnceLock<fn(&[u8])> = OnceLock::new();

libfuzzer_sys::fuzz_target!(
    init: {
        if std::env::args().nth(1).as_deref() == Some("targets") {
            for (name, _) in targets::ALL {
                println!("{name}");
            }
            std::process::exit(0);
        }
        let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
        let Some((_, run)) = targets::ALL.iter().find(|(name, _)| *name == wanted) else {
            eprintln!("FUZZ_TARGET must name one of the targets; `fuzz targets` lists them");
            std::process::exit(2);
        };
        let _ = CHOSEN.set(*run);
    },
    |octets: &[u8]| {
        if let Some(run) = CHOSEN.get() {
            run(octets);
        }
    }
);
