//! An independent codec reads what our test client writes, writes it again in its own way, and that must decode to the
//! same command. It knows only IMAP4rev1 and a few extensions; what it cannot read is counted, not compared.

use super::super::super::command::*;
use super::super::*;
use super::drive;
use super::encoder::encode;
use super::properties::any_tagged;
use imap_codec::CommandCodec;
use imap_codec::decode::Decoder as _;
use imap_codec::encode::Encoder as _;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

/// The command as the other codec writes it; `None` if it cannot read it. A message that follows an APPEND is `-`s.
fn rewritten(octets: &[u8], append: Option<&Append>) -> Option<Vec<u8>> {
    let mut octets = octets.to_vec();
    if let Some(append) = append {
        octets.resize(octets.len() + usize::try_from(append.literal.octets).ok()?, b'-');
        octets.extend_from_slice(b"\r\n");
    }
    let (rest, command) = CommandCodec::default().decode(&octets).ok()?;
    assert!(rest.is_empty(), "{:?} remains of {:?}", rest, String::from_utf8_lossy(&octets));
    Some(CommandCodec::default().encode(&command).dump())
}

/// Differences that are the other codec's right: it sorts, spells out and leaves out.
fn canonical(decoded: Decoded) -> Decoded {
    fn keys(key: SearchKey) -> SearchKey {
        match key {
            SearchKey::And(list) => {
                let mut flat = Vec::new();
                for key in list.into_iter().map(keys) {
                    match key {
                        SearchKey::And(inner) => flat.extend(inner),
                        key => flat.push(key),
                    }
                }
                SearchKey::And(flat)
            }
            SearchKey::Or(both) => {
                let (one, two) = *both;
                SearchKey::Or(Box::new((keys(one), keys(two))))
            }
            SearchKey::Not(key) => SearchKey::Not(Box::new(keys(*key))),
            SearchKey::Header(name, text) => SearchKey::Header(name.to_ascii_uppercase().into(), text),
            key => key,
        }
    }
    match decoded {
        Decoded::Command(Tagged { tag, command: Command::Search { uid, returns, charset, key } }) => {
            let key = keys(key);
            Decoded::Command(Tagged { tag, command: Command::Search { uid, returns, charset, key } })
        }
        decoded => decoded,
    }
}

fn kind(command: &Command) -> String {
    let shown = format!("{command:?}");
    shown.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap().to_owned()
}

#[test]
fn an_independent_codec_agrees() {
    let mut runner = TestRunner::deterministic();
    let mut agreed = std::collections::BTreeMap::<String, (u32, u32)>::new();
    for seed in 0..4_000 {
        let mut tagged = any_tagged().new_tree(&mut runner).unwrap().current();
        if let Command::Append(append) = &mut tagged.command {
            append.literal.octets %= 100;
        }
        let octets = encode(&tagged, Names::ModifiedUtf7, seed);
        let append = if let Command::Append(append) = &tagged.command { Some(append) } else { None };
        let count = agreed.entry(kind(&tagged.command)).or_default();
        count.0 += 1;
        let Some(theirs) = rewritten(&octets, append) else {
            continue;
        };
        count.1 += 1;
        let ours = drive(&octets, Names::ModifiedUtf7).0.unwrap().unwrap();
        let again = match drive(&theirs, Names::ModifiedUtf7).0 {
            Some(Ok(again)) => again,
            other => panic!("{other:?} of {:?}", String::from_utf8_lossy(&theirs)),
        };
        assert_eq!(
            canonical(again),
            canonical(ours),
            "{:?} became {:?}",
            String::from_utf8_lossy(&octets),
            String::from_utf8_lossy(&theirs)
        );
    }
    println!("{agreed:#?}");
    // So that this test does not pass because nothing can be read any more.
    for wanted in ["Select", "Fetch", "Store", "Search", "Copy", "Status", "Append", "Login", "List"] {
        let (all, compared) = agreed[wanted];
        assert!(compared * 8 > all, "{wanted}: only {compared} of {all} were compared");
    }
}
