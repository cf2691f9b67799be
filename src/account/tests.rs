#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::memory::MemoryShelf;
use super::*;
use crate::limits::{ALIAS_DEPTH_MAX, ALIAS_TARGETS_MAX};
use crate::mail::{Address, Domain, ForwardPath, SpecialUse};
use crate::store::Owner;
use proptest::prelude::*;

fn address(text: &str) -> Address {
    Address::parse(text).unwrap_or_else(|_| panic!("{text}"))
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).unwrap()
}

fn options() -> Options {
    Options { scram_iterations: 1, ..Options::default() }
}

/// example.org with the accounts ann (administrator) and bob.
fn two() -> (MemoryShelf, Accounts) {
    let shelf = MemoryShelf::default();
    let accounts = shelf.accounts(options());
    accounts.add_domain(&domain("Example.ORG")).unwrap();
    accounts.add_account(&address("Ann@example.org"), "ann's password", None).unwrap();
    accounts.add_account(&address("bob@example.org"), "bob's password", Some(1000)).unwrap();
    (shelf, accounts)
}

fn resolve(accounts: &Accounts, to: &str) -> Resolution {
    accounts.resolve(&ForwardPath::Address(address(to))).unwrap()
}

/// Addresses with details that a path reaches here.
fn reached(accounts: &Accounts, to: &str) -> Vec<String> {
    match resolve(accounts, to) {
        Resolution::Local(recipients) => recipients
            .into_iter()
            .map(|recipient| match recipient.detail {
                Some(detail) => format!("{} {detail}", recipient.address),
                None => recipient.address,
            })
            .collect(),
        Resolution::NoSuchUser => Vec::new(),
        other => panic!("{to}: {other:?}"),
    }
}

#[test]
fn a_new_account_has_its_mailboxes() {
    let (shelf, accounts) = two();
    let ann = accounts.account("ann@example.org").unwrap().unwrap();
    assert_eq!((ann.owner, ann.quota, ann.administrator), (Owner(1), None, true));
    let bob = accounts.account("BOB@Example.org").unwrap().unwrap();
    assert_eq!((bob.owner, bob.quota, bob.administrator), (Owner(2), Some(1000), false));
    let state = shelf.state();
    let mailboxes: Vec<_> = state
        .mailboxes
        .values()
        .filter(|row| row.owner == bob.owner)
        .map(|row| (row.name.as_str(), row.special_use))
        .collect();
    let expected = [
        ("Archive", Some(SpecialUse::Archive)),
        ("Drafts", Some(SpecialUse::Drafts)),
        ("INBOX", None),
        ("Junk", Some(SpecialUse::Junk)),
        ("Sent", Some(SpecialUse::Sent)),
        ("Trash", Some(SpecialUse::Trash)),
    ];
    assert_eq!(mailboxes, expected);
    assert_eq!(state.subscriptions.iter().filter(|(owner, _)| *owner == bob.owner).count(), 6);
}

#[test]
fn login_names_are_addresses_or_their_local_part_at_an_only_domain() {
    let (_, accounts) = two();
    let login = |name: &str| accounts.account(name).unwrap().map(|account| account.address);
    assert_eq!(login("ANN"), Some("ann@example.org".into()));
    for nobody in ["", "@", "ann@", "@example.org", "ann@example.net", "carol", "ann+x@example.org", "ann ", "a\u{0}b"]
    {
        assert_eq!(login(nobody), None, "{nobody:?}");
    }
    accounts.add_domain(&domain("example.net")).unwrap();
    assert_eq!(login("ann"), None, "which domain is not clear any more");
    assert_eq!(login("ann@example.org"), Some("ann@example.org".into()));
}

#[test]
fn what_cannot_be_added_is_refused_with_a_reason() {
    let (_, accounts) = two();
    let add =
        |text: &str, password: &str| accounts.add_account(&address(text), password, None).unwrap_err().to_string();
    assert_eq!(add("ann@EXAMPLE.org", "x"), "there is an account ann@example.org already");
    assert_eq!(
        add("ann@example.net", "x"),
        "example.net is not a domain of this server: add it first with `domain add example.net`"
    );
    assert_eq!(add("ann@[192.0.2.1]", "x"), "\"[192.0.2.1]\" is not a domain such as example.org");
    assert_eq!(add("carol@example.org", ""), "the password is empty");
    assert_eq!(add("carol@example.org", "a\nb"), "the password holds a control character");
    accounts.add_alias(&address("info@example.org"), &[address("ann@example.org")]).unwrap();
    assert_eq!(add("info@example.org", "x"), "there is an alias info@example.org already");
    let error = accounts.add_domain(&domain("example.org")).unwrap_err();
    assert_eq!(error, AccountError::DomainExists("example.org".into()));
    assert!(accounts.add_domain(&domain("[192.0.2.1]")).is_err());
}

#[test]
fn international_domains_are_one_however_they_are_written() {
    let (_, accounts) = two();
    accounts.add_domain(&domain("Bücher.example")).unwrap();
    assert_eq!(accounts.domains(None, 10).unwrap(), ["example.org", "xn--bcher-kva.example"]);
    assert!(accounts.is_local_domain(&domain("XN--BCHER-KVA.example")).unwrap());
    assert!(accounts.is_local_domain(&domain("bücher.EXAMPLE")).unwrap());
    accounts.add_account(&address("jürgen@bücher.example"), "x", None).unwrap();
    assert_eq!(reached(&accounts, "JÜRGEN@xn--bcher-kva.example"), ["jürgen@xn--bcher-kva.example"]);
}

#[test]
fn domains_in_use_stay() {
    let (_, accounts) = two();
    let remove = |text: &str| accounts.remove_domain(&domain(text));
    let in_use = AccountError::DomainInUse("example.org".into(), "ann@example.org".into());
    assert_eq!(remove("example.org"), Err(in_use));
    accounts.add_domain(&domain("example.or")).unwrap();
    accounts.add_domain(&domain("example.net")).unwrap();
    accounts.add_alias(&address("x@example.net"), &[address("ann@example.org")]).unwrap();
    assert!(matches!(remove("example.net"), Err(AccountError::DomainInUse(..))));
    accounts.remove_alias(&address("x@example.net"), None).unwrap();
    remove("EXAMPLE.net").unwrap();
    remove("example.or").unwrap();
    assert_eq!(remove("example.net"), Err(AccountError::NoSuchDomain("example.net".into())));
    assert_eq!(accounts.domains(None, 10).unwrap(), ["example.org"]);
}

#[test]
fn paths_reach_accounts_with_their_details() {
    let (_, accounts) = two();
    assert_eq!(reached(&accounts, "ANN@example.org"), ["ann@example.org"]);
    assert_eq!(reached(&accounts, "ann+Lists+x@example.org"), ["ann@example.org lists+x"]);
    assert_eq!(reached(&accounts, "+ann@example.org"), Vec::<String>::new());
    assert_eq!(resolve(&accounts, "carol@example.org"), Resolution::NoSuchUser);
    assert_eq!(resolve(&accounts, "ann@example.net"), Resolution::NotLocal);
    assert_eq!(resolve(&accounts, "ann@[192.0.2.1]"), Resolution::NotLocal);
    let bob = resolve(&accounts, "bob@example.org");
    assert!(matches!(bob, Resolution::Local(found) if found[0].quota == Some(1000) && found[0].owner == Owner(2)));
}

#[test]
fn the_delimiter_is_configurable() {
    let (shelf, _) = two();
    let other = shelf.accounts(Options { recipient_delimiter: Some('-'), ..options() });
    assert_eq!(reached(&other, "ann-x@example.org"), ["ann@example.org x"]);
    assert_eq!(reached(&other, "ann+x@example.org"), Vec::<String>::new());
    let none = shelf.accounts(Options { recipient_delimiter: None, ..options() });
    assert_eq!(reached(&none, "ann-x@example.org"), Vec::<String>::new());
}

#[test]
fn postmaster_and_abuse_reach_the_administrator_unless_somebody_has_them() {
    let shelf = MemoryShelf::default();
    let accounts = shelf.accounts(options());
    assert_eq!(accounts.resolve(&ForwardPath::Postmaster).unwrap(), Resolution::NoSuchUser);
    let (_, accounts) = two();
    accounts.add_domain(&domain("example.net")).unwrap();
    for to in ["postmaster@example.org", "PostMaster@example.net", "abuse@example.net"] {
        assert_eq!(reached(&accounts, to), ["ann@example.org"], "{to}");
    }
    assert_eq!(reached(&accounts, "abuse+x@example.net"), ["ann@example.org x"]);
    let bare = accounts.resolve(&ForwardPath::Postmaster).unwrap();
    assert!(matches!(bare, Resolution::Local(found) if found[0].address == "ann@example.org"));
    accounts.add_alias(&address("postmaster@example.net"), &[address("bob@example.org")]).unwrap();
    accounts.add_account(&address("abuse@example.net"), "x", None).unwrap();
    assert_eq!(reached(&accounts, "postmaster@example.net"), ["bob@example.org"]);
    assert_eq!(reached(&accounts, "abuse@example.net"), ["abuse@example.net"]);
    accounts.set_administrator(&address("bob@example.org")).unwrap();
    assert_eq!(reached(&accounts, "abuse@example.org"), ["bob@example.org"]);
    assert!(!accounts.account("ann").unwrap_or_default().is_some_and(|ann| ann.administrator));
}

#[test]
fn aliases_lead_here_there_and_on() {
    let (_, accounts) = two();
    let alias = |from: &str, to: &[&str]| {
        let targets: Vec<Address> = to.iter().map(|to| address(to)).collect();
        accounts.add_alias(&address(from), &targets)
    };
    alias("all@example.org", &["ann@example.org", "bob@example.org", "staff@example.org"]).unwrap();
    alias("staff@example.org", &["Bob@example.org", "all@example.org"]).unwrap();
    assert_eq!(reached(&accounts, "all@example.org"), ["ann@example.org", "bob@example.org"]);
    assert_eq!(reached(&accounts, "staff+news@example.org"), ["bob@example.org news", "ann@example.org news"]);
    alias("sales@example.org", &["ann+sales@example.org"]).unwrap();
    assert_eq!(reached(&accounts, "sales+x@example.org"), ["ann@example.org sales"]);
    alias("away@example.org", &["Carol.X@Example.NET", "bob@example.org"]).unwrap();
    let away = resolve(&accounts, "away@example.org");
    assert_eq!(away, Resolution::RemoteAlias(vec![address("Carol.X@Example.NET")]), "as it was written");
    assert_eq!(accounts.expand_list("away").unwrap().unwrap().len(), 2);
    assert_eq!(accounts.expand_list("AWAY@example.org").unwrap().unwrap().len(), 2);
    assert_eq!(accounts.expand_list("ann").unwrap(), None);
    alias("gone@example.org", &["nobody@example.org"]).unwrap();
    assert_eq!(resolve(&accounts, "gone@example.org"), Resolution::NoSuchUser);
    alias("*@example.org", &["bob@example.org"]).unwrap();
    assert_eq!(reached(&accounts, "whoever@example.org"), ["bob@example.org"]);
    assert_eq!(reached(&accounts, "ann@example.org"), ["ann@example.org"]);
    assert_eq!(reached(&accounts, "postmaster@example.org"), ["ann@example.org"]);

    assert_eq!(
        alias("ann@example.org", &["bob@example.org"]),
        Err(AccountError::AccountExists("ann@example.org".into()))
    );
    assert_eq!(alias("me@example.org", &["ME@example.org"]), Err(AccountError::AliasToItself("me@example.org".into())));
    assert_eq!(alias("me@example.org", &[]), Err(AccountError::NoTargets));
    assert_eq!(alias("me@example.net", &["ann@example.org"]), Err(AccountError::NoSuchDomain("example.net".into())));
    accounts.remove_alias(&address("all@example.org"), Some(&address("bob@example.org"))).unwrap();
    assert_eq!(accounts.expand_list("all").unwrap().unwrap().len(), 2);
    accounts.remove_alias(&address("all@example.org"), None).unwrap();
    let gone = accounts.remove_alias(&address("all@example.org"), None);
    assert_eq!(gone, Err(AccountError::NoSuchAlias("all@example.org".into())));
}

#[test]
fn aliases_are_bounded() {
    let (_, accounts) = two();
    let many: Vec<Address> = (0..ALIAS_TARGETS_MAX).map(|n| address(&format!("u{n}@example.net"))).collect();
    let list = address("list@example.org");
    accounts.add_alias(&list, &many).unwrap();
    accounts.add_alias(&list, &many[..3]).unwrap();
    let more = accounts.add_alias(&list, &[address("more@example.net")]);
    assert_eq!(more, Err(AccountError::TooManyTargets(ALIAS_TARGETS_MAX)));
    assert!(
        matches!(resolve(&accounts, "list@example.org"), Resolution::RemoteAlias(found) if found.len() == ALIAS_TARGETS_MAX)
    );
    accounts.add_alias(&address("both@example.org"), &[list, address("ann@example.org")]).unwrap();
    let both = accounts.resolve(&ForwardPath::Address(address("both@example.org")));
    assert!(matches!(both, Err(crate::store::Error::OverLimit(_))));
    for depth in 0..=ALIAS_DEPTH_MAX {
        let target = if depth == 0 { "ann@example.org".into() } else { format!("a{}@example.org", depth - 1) };
        accounts.add_alias(&address(&format!("a{depth}@example.org")), &[address(&target)]).unwrap();
    }
    assert_eq!(reached(&accounts, &format!("a{}@example.org", ALIAS_DEPTH_MAX - 1)), ["ann@example.org"]);
    assert_eq!(reached(&accounts, &format!("a{ALIAS_DEPTH_MAX}@example.org")), Vec::<String>::new());
}

#[test]
fn passwords_are_set_anew() {
    let (_, accounts) = two();
    let right = |login: &str, password: &str| {
        let candidate = accounts.candidate(login).unwrap();
        let right = candidate.credential.verify(password.as_bytes(), accounts.hasher()).unwrap();
        assert!(candidate.account.is_some() || !right, "a decoy is fulfilled by nothing");
        right
    };
    assert!(right("ann", "ann's password") && !right("ann", "bob's password"));
    accounts.set_password(&address("ann@example.org"), "new one").unwrap();
    assert!(right("ann", "new one") && !right("ann", "ann's password"));
    assert!(!right("carol", "x") && !right("", "x") && !right("carol@example.net", "x"));
    let carol = address("carol@example.org");
    assert_eq!(accounts.set_password(&carol, "x"), Err(AccountError::NoSuchAccount("carol@example.org".into())));
}

#[test]
fn strangers_cannot_tell_accounts_from_none() {
    let (shelf, accounts) = two();
    let salt = |accounts: &Accounts, login: &str| accounts.candidate(login).unwrap().credential.scram().salt;
    let carol = salt(&accounts, "carol@example.org");
    assert_eq!(salt(&accounts, "CAROL@Example.org"), carol);
    assert_ne!(salt(&accounts, "dave@example.org"), carol);
    assert_eq!(salt(&shelf.accounts(options()), "carol@example.org"), carol, "after a restart too");
    let kept = accounts.candidate("ann").unwrap().credential;
    let decoy = accounts.candidate("carol").unwrap().credential;
    assert_eq!(kept.scram().iterations, decoy.scram().iterations);
}

#[test]
fn passwords_for_legacy_logins_are_kept_only_while_these_are_on() {
    let (shelf, accounts) = two();
    assert_eq!(accounts.candidate("ann").unwrap().credential.legacy(), None);
    let legacy = shelf.accounts(Options { legacy_logins: true, ..options() });
    assert_eq!(legacy.candidate("ann").unwrap().credential.legacy(), None);
    legacy.set_password(&address("ann@example.org"), "known").unwrap();
    assert_eq!(accounts.candidate("ann").unwrap().credential.legacy(), Some("known"));
    accounts.set_password(&address("ann@example.org"), "hidden").unwrap();
    assert_eq!(accounts.candidate("ann").unwrap().credential.legacy(), None);
}

#[test]
fn accounts_are_listed_in_pages_with_their_usage() {
    let (shelf, accounts) = two();
    for row in shelf.state().mailboxes.values_mut().filter(|row| row.name == "INBOX") {
        (row.messages, row.octets) = (3, 300);
    }
    accounts.set_quota(&address("bob@example.org"), None).unwrap();
    let first = accounts.accounts(None, 1).unwrap();
    assert_eq!((first.len(), first[0].account.address.as_str(), first[0].usage.messages), (1, "ann@example.org", 3));
    let second = accounts.accounts(Some("ann@example.org"), 1).unwrap();
    assert_eq!((second[0].account.address.as_str(), second[0].account.quota), ("bob@example.org", None));
    assert!(accounts.accounts(Some("bob@example.org"), 1).unwrap().is_empty());
}

#[test]
fn a_removed_account_leaves_nothing() {
    let (shelf, accounts) = two();
    let refused = accounts.remove_account(&address("ann@example.org"));
    assert_eq!(refused, Err(AccountError::IsAdministrator("ann@example.org".into())));
    for row in shelf.state().mailboxes.values_mut().filter(|row| row.owner == Owner(2)) {
        row.messages = 5000;
    }
    accounts.remove_account(&address("bob@example.org")).unwrap();
    {
        let state = shelf.state();
        assert!(state.mailboxes.values().all(|row| row.owner == Owner(1)));
        assert!(state.subscriptions.iter().all(|(owner, _)| *owner == Owner(1)));
    }
    assert!(accounts.account("bob").unwrap().is_none());
    let carol = accounts.add_account(&address("bob@example.org"), "x", None).unwrap();
    assert_eq!(carol.owner, Owner(3), "numbers are never given twice");
    accounts.remove_account(&address("bob@example.org")).unwrap();
    accounts.remove_account(&address("ann@example.org")).unwrap();
    let again = accounts.add_account(&address("dora@example.org"), "x", None).unwrap();
    assert!(again.administrator && again.owner == Owner(4));
}

#[test]
fn changes_that_are_cut_short_are_taken_up_again() {
    // Stops each change at each commit, then does it again on the same shelf.
    for commits in 0..40 {
        let (shelf, accounts) = two();
        shelf.state().commits_left = Some(commits);
        let added = accounts.add_account(&address("carol@example.org"), "x", None);
        shelf.state().commits_left = None;
        assert_eq!(accounts.account("carol").unwrap().is_some(), added.is_ok(), "all or nothing");
        if added.is_err() {
            accounts.add_account(&address("carol@example.org"), "x", None).unwrap();
        }
        assert_eq!(shelf.state().mailboxes.values().filter(|row| row.owner == Owner(3)).count(), 6);

        shelf.state().commits_left = Some(commits);
        let removed = accounts.remove_account(&address("carol@example.org"));
        shelf.state().commits_left = None;
        assert_eq!(accounts.account("carol").unwrap().is_some(), removed.is_err() && commits == 0);
        accounts.finish_removals().unwrap();
        let left = shelf.state().mailboxes.values().filter(|row| row.owner == Owner(3)).count();
        assert_eq!(left, if commits == 0 { 6 } else { 0 });
        assert_eq!(accounts.finish_removals().unwrap(), 0);
    }
}

#[test]
fn two_at_once_do_not_get_one_number() {
    let (_, accounts) = two();
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let accounts = accounts.clone();
            std::thread::spawn(move || {
                accounts.add_account(&address(&format!("u{n}@example.org")), "x", None).unwrap().owner
            })
        })
        .collect();
    let mut owners: Vec<Owner> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    owners.sort_unstable();
    assert_eq!(owners, (3..11).map(Owner).collect::<Vec<_>>());
}

#[test]
fn commands_do_what_a_person_asks() {
    let accounts = MemoryShelf::default().accounts(options());
    let run = |command: Command| {
        // As it travels over the control socket.
        let octets = postcard::to_stdvec(&command).unwrap();
        command::execute(&accounts, postcard::from_bytes(&octets).unwrap())
    };
    let domain = |domain: &str| Command::Domain(DomainCommand::Add { domain: domain.into() });
    let add = |address: &str, password: Option<&str>| {
        let (address, password) = (address.into(), password.map(str::to_owned));
        Command::Account(AccountCommand::Add { address, password, quota: None })
    };
    run(domain("example.org")).unwrap();
    assert!(run(domain("not a domain")).is_err());
    let answer = run(add("ann@example.org", None)).unwrap();
    let generated = answer.to_string();
    assert!(generated.contains("PASSWORD") && generated.contains("ann@example.org"), "{generated}");
    let given = run(add("bob@example.org", Some("b"))).unwrap();
    assert!(!given.to_string().contains("PASSWORD"));
    assert!(run(add("nonsense", None)).unwrap_err().to_string().contains("not a mail address"));
    for number in 0..200 {
        run(add(&format!("user{number:03}@example.org"), Some("x"))).unwrap();
    }
    let (mut lines, mut next) = (0, Some(Command::Account(AccountCommand::List { after: None })));
    while let Some(command) = next {
        let answer = run(command).unwrap();
        lines += answer.json_lines().lines().count();
        next = answer.next;
    }
    assert_eq!(lines, 202);
    let alias = AliasCommand::Add { address: "info@example.org".into(), targets: vec!["ann@example.org".into()] };
    run(Command::Alias(alias)).unwrap();
    let list = run(Command::Alias(AliasCommand::List { after: None })).unwrap();
    assert_eq!(list.to_string(), "ALIAS             TARGET\ninfo@example.org  ann@example.org\n");
    let debug = format!("{:?}", add("ann@example.org", Some("s3cret")));
    assert!(!debug.contains("s3cret"), "{debug}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Aliases in any tangle: resolving ends, within its bounds, and names each account once.
    #[test]
    fn any_tangle_of_aliases_is_resolved(edges in proptest::collection::vec((0u8..12, 0u8..16), 0..60)) {
        let (_, accounts) = two();
        for (from, to) in edges {
            let target = match to {
                12 => "ann@example.org".to_owned(),
                13 => "bob+x@example.org".to_owned(),
                14 => "away@example.net".to_owned(),
                15 => "nobody@example.org".to_owned(),
                _ => format!("a{to}@example.org"),
            };
            let _ = accounts.add_alias(&address(&format!("a{from}@example.org")), &[address(&target)]);
        }
        for from in 0..12 {
            match resolve(&accounts, &format!("a{from}@example.org")) {
                Resolution::Local(found) => {
                    let mut owners: Vec<Owner> = found.iter().map(|recipient| recipient.owner).collect();
                    owners.dedup();
                    prop_assert!(!found.is_empty() && owners.len() == found.len() && found.len() <= 2);
                }
                Resolution::RemoteAlias(found) => prop_assert_eq!(found, vec![address("away@example.net")]),
                Resolution::NoSuchUser => {}
                Resolution::NotLocal => panic!("it is ours"),
            }
        }
    }

    #[test]
    fn any_login_name_is_survived(login in ".{0,300}") {
        let (_, accounts) = two();
        let _ = accounts.account(&login).unwrap();
        let _ = accounts.candidate(&login).unwrap();
        let _ = accounts.expand_list(&login).unwrap();
    }
}
