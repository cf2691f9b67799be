#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
use super::*;
use crate::store::{Error, Owner};
use crate::wire::smtp::{Fault, decode};
use proptest::prelude::*;

/// A session over canned answers: `ann`, `bob` and `full` exist, `example.net` is elsewhere.
struct Bench {
    rules: Rules,
    tls: bool,
    loopback: bool,
    mechanisms: Vec<&'static str>,
    received: Received,
    smtp: Smtp,
}

impl Bench {
    fn new(service: Service) -> Self {
        Self {
            rules: Rules {
                service,
                host: "mail.example.org".into(),
                message_octets_max: 1_000,
                starttls: true,
                vrfy: false,
            },
            tls: false,
            loopback: false,
            mechanisms: Vec::new(),
            received: Received::Stored("id".into()),
            smtp: Smtp::new(),
        }
    }

    fn handle(&mut self, input: Input<'_>) -> Step {
        let scene = Scene { rules: &self.rules, tls: self.tls, loopback: self.loopback, mechanisms: &self.mechanisms };
        let (smtp, step) = core::mem::take(&mut self.smtp).handle(input, &scene);
        self.smtp = smtp;
        step
    }

    /// What the client hears first of each reply, `*n` for n of them, and what the driver would do.
    fn say(&mut self, line: &str) -> String {
        let mut step = match decode(line.as_bytes()) {
            Ok(command) => self.handle(Input::Command(command)),
            Err(invalid) => self.handle(Input::Invalid(invalid)),
        };
        loop {
            step = match step {
                Step::Await => return String::new(),
                Step::Reply(reply) => return shown(&reply),
                Step::ReplyEach(reply, times) => return format!("{}*{times}", shown(&reply)),
                Step::Close(reply) => return format!("{} close", shown(&reply)),
                Step::Discard(octets, reply) => return format!("discard {octets} {}", shown(&reply)),
                Step::StartTls(_) => {
                    self.tls = true;
                    self.mechanisms = vec!["PLAIN"];
                    self.handle(Input::Secured)
                }
                Step::Authenticate { initial, .. } => self.handle(Input::Authenticated(match initial.as_deref() {
                    Some("good") => Ok(User { owner: Owner(1), address: "ann@example.org".into() }),
                    _ => Err(Reply::new(535, (7, 8), "no")),
                })),
                Step::Admit(envelope) => self.handle(Input::Admitted(envelope, Admission::Admitted)),
                Step::Resolve(candidate) => {
                    let text = candidate.path.to_string();
                    let resolution = match text.as_str() {
                        "<ann@example.org>" | "<Postmaster>" => Resolution::Local(vec![MailboxId(1)]),
                        "<bob@example.org>" => Resolution::Local(vec![MailboxId(2)]),
                        "<full@example.org>" => Resolution::OverQuota,
                        "<broken@example.org>" => Resolution::Failed(Error::Busy),
                        text if text.ends_with("@example.net>") => Resolution::Remote,
                        _ => Resolution::NoSuchUser,
                    };
                    self.handle(Input::Resolved(candidate, resolution))
                }
                Step::Receive => {
                    let received = self.received.clone();
                    self.handle(Input::Received(received))
                }
                Step::Chunk { octets, last } => {
                    let received = if last { self.received.clone() } else { Received::Chunk(octets) };
                    self.handle(Input::Received(received))
                }
                Step::Verify(_) => self.handle(Input::Verified(Verification::Known("ann@example.org".into()))),
                Step::Expand(_) => self.handle(Input::Expanded(Ok(Some(vec!["a@b.c".into(), "d@e.f".into()])))),
            };
        }
    }

    fn talk(&mut self, lines: &[(&str, &str)]) {
        for (line, expected) in lines {
            assert_eq!(self.say(line), *expected, "{line}");
        }
    }
}

fn shown(reply: &Reply) -> String {
    let detail = reply.detail().map(|(subject, detail)| format!(" {}.{subject}.{detail}", reply.code() / 100));
    format!("{}{}", reply.code(), detail.unwrap_or_default())
}

const EHLO: (&str, &str) = ("EHLO client.example", "250");
const MAIL: (&str, &str) = ("MAIL FROM:<bob@example.com>", "250 2.1.0");
const RCPT: (&str, &str) = ("RCPT TO:<ann@example.org>", "250 2.1.5");

/// A line that the verb takes, so that only the state decides.
fn line(verb: Verb) -> &'static str {
    match verb {
        Verb::Helo => "HELO a",
        Verb::Ehlo => "EHLO a",
        Verb::Lhlo => "LHLO a",
        Verb::Mail => "MAIL FROM:<>",
        Verb::Rcpt => "RCPT TO:<ann@example.org>",
        Verb::Data => "DATA",
        Verb::Bdat => "BDAT 5",
        Verb::Rset => "RSET",
        Verb::Vrfy => "VRFY ann",
        Verb::Expn => "EXPN list",
        Verb::Help => "HELP",
        Verb::Noop => "NOOP",
        Verb::Quit => "QUIT",
        Verb::Etrn => "ETRN a",
        Verb::Auth => "AUTH PLAIN good",
        Verb::StartTls => "STARTTLS",
    }
}

#[test]
fn the_table_decides_for_every_verb_in_every_state() {
    let ways: [(Stage, &[&str]); 4] = [
        (Stage::Greeted, &[]),
        (Stage::Ready, &["EHLO a"]),
        (Stage::Transaction, &["EHLO a", "MAIL FROM:<>", "RCPT TO:<ann@example.org>"]),
        (Stage::Chunking, &["EHLO a", "MAIL FROM:<>", "RCPT TO:<ann@example.org>", "BDAT 5"]),
    ];
    for (stage, way) in ways {
        for verb in Verb::ALL {
            let mut bench = Bench::new(Service::Relay);
            for step in way {
                bench.say(step);
            }
            assert_eq!(bench.smtp.stage(), stage);
            let before = bench.smtp.clone();
            let heard = bench.say(line(verb));
            assert_eq!(!heard.contains("503"), allowed(stage, verb), "{verb:?} in {stage:?}: {heard}");
            if !allowed(stage, verb) {
                // Refusal changes nothing but the count of faults.
                assert_eq!((bench.smtp.stage(), bench.smtp.envelope()), (before.stage(), before.envelope()));
            }
        }
    }
    assert!(Verb::ALL.iter().all(|verb| TABLE.iter().filter(|(row, _)| row == verb).count() == 1));
}

#[test]
fn a_message_comes_in() {
    Bench::new(Service::Relay).talk(&[
        EHLO,
        MAIL,
        RCPT,
        ("RCPT TO:<nobody@example.org>", "550 5.1.1"),
        ("RCPT TO:<ann@example.net>", "550 5.7.1"),
        ("RCPT TO:<full@example.org>", "452 4.2.2"),
        ("RCPT TO:<broken@example.org>", "451 4.3.2"),
        ("RCPT TO:<ä@example.org>", "553 5.6.7"),
        ("RCPT TO:<Postmaster>", "250 2.1.5"),
        ("DATA", "250 2.0.0"),
        ("DATA", "503 5.5.1"),
        MAIL,
        ("DATA", "554 5.5.1"),
        ("RSET", "250 2.0.0"),
        ("QUIT", "221 2.0.0 close"),
    ]);
}

#[test]
fn chunks_and_data_do_not_mix() {
    Bench::new(Service::Relay).talk(&[
        ("BDAT 7", "discard 7 503 5.5.1"),
        EHLO,
        ("BDAT 7 LAST", "discard 7 503 5.5.1"),
        ("MAIL FROM:<> BODY=BINARYMIME", "250 2.1.0"),
        ("BDAT 7", "discard 7 554 5.5.1"),
        RCPT,
        ("DATA", "503 5.5.1"),
        ("BDAT 7", "250 2.0.0"),
        ("DATA", "503 5.5.1"),
        RCPT_LATE,
        ("BDAT 0 LAST", "250 2.0.0"),
        ("BDAT 0 LAST", "discard 0 503 5.5.1"),
        ("BDAT x", "421 4.5.4 close"),
    ]);
}

const RCPT_LATE: (&str, &str) = ("RCPT TO:<ann@example.org>", "503 5.5.1");

#[test]
fn submission_asks_for_tls_and_a_login() {
    let mut bench = Bench::new(Service::Submission);
    bench.talk(&[
        EHLO,
        ("MAIL FROM:<ann@example.org>", "530 5.7.0"),
        ("EXPN list", "530 5.7.0"),
        ("AUTH PLAIN bad", "535 5.7.8"),
        ("STARTTLS", ""),
        ("MAIL FROM:<ann@example.org>", "503 5.5.1"),
        EHLO,
        ("STARTTLS", "503 5.5.1"),
        ("MAIL FROM:<ann@example.org>", "530 5.7.0"),
        ("AUTH PLAIN good", "235 2.7.0"),
        ("AUTH PLAIN good", "503 5.5.1"),
        EHLO,
        ("EXPN list", "250 2.1.5"),
        ("MAIL FROM:<ann@example.org> SIZE=1001", "552 5.3.4"),
        ("MAIL FROM:<ann@example.org> SIZE=1000", "250 2.1.0"),
        ("AUTH PLAIN good", "503 5.5.1"),
        ("RCPT TO:<x@example.net>", "550 5.4.4"),
    ]);
}

#[test]
fn extensions_follow_the_circumstances() {
    let list = |bench: &mut Bench, line: &str| match bench.handle(Input::Command(decode(line.as_bytes()).unwrap())) {
        Step::Reply(reply) => reply.text().to_owned(),
        step => panic!("{step:?}"),
    };
    let mut bench = Bench::new(Service::Submission);
    let clear = list(&mut bench, "EHLO a");
    assert!(clear.contains("\nSTARTTLS\n") && !clear.contains("AUTH") && clear.contains("\nSIZE 1000\n"));
    bench.say("STARTTLS");
    let secure = list(&mut bench, "EHLO a");
    assert!(!secure.contains("STARTTLS") && secure.contains("\nAUTH PLAIN\n"));
    assert_eq!(list(&mut bench, "HELO a"), "mail.example.org");
    let mut lmtp = Bench::new(Service::Lmtp);
    lmtp.mechanisms = vec!["PLAIN"];
    assert!(!list(&mut lmtp, "LHLO a").contains("AUTH"));
}

#[test]
fn lmtp_answers_for_each_recipient() {
    let mut bench = Bench::new(Service::Lmtp);
    bench.talk(&[
        ("EHLO a", "500 5.5.1"),
        ("LHLO a", "250"),
        ("AUTH PLAIN good", "502 5.5.1"),
        MAIL,
        RCPT,
        ("RCPT TO:<nobody@example.org>", "550 5.1.1"),
        ("RCPT TO:<bob@example.org>", "250 2.1.5"),
        ("DATA", "250 2.0.0*2"),
        MAIL,
        ("DATA", "554 5.5.1"),
        RCPT,
        ("BDAT 4", "250 2.0.0"),
        ("BDAT 4 LAST", "250 2.0.0*1"),
    ]);
    bench.received = Received::Failed(Error::Full);
    bench.talk(&[MAIL, RCPT, ("DATA", "452 4.3.1*1")]);
    // No `354` was said: this is the reply to DATA.
    bench.received = Received::Unavailable;
    bench.talk(&[MAIL, RCPT, ("DATA", "451 4.3.2")]);
    assert_eq!(Bench::new(Service::Relay).say("LHLO a"), "500 5.5.1");
}

#[test]
fn every_end_of_a_message_has_its_reply() {
    let ends = [
        (Received::Stored("x".into()), "250 2.0.0"),
        (Received::Unavailable, "451 4.3.2"),
        (Received::Fault(Fault::BareCr), "550 5.6.0"),
        (Received::Fault(Fault::BareLf), "550 5.6.0"),
        (Received::Fault(Fault::Nul), "550 5.6.0"),
        (Received::TooLarge, "552 5.3.4"),
        (Received::Loop, "554 5.4.6"),
        (Received::Failed(Error::Full), "452 4.3.1"),
    ];
    for (received, expected) in ends {
        let mut bench = Bench::new(Service::Relay);
        bench.received = received;
        bench.talk(&[EHLO, MAIL, RCPT, ("DATA", expected)]);
        assert_eq!(bench.smtp.stage(), Stage::Ready);
    }
}

#[test]
fn admission_can_be_refused() {
    for (admission, expected) in [
        (Admission::Overloaded, "452 4.3.2"),
        (Admission::NotYours, "553 5.7.1"),
        (Admission::Failed(Error::ReadOnly), "451 4.3.0"),
    ] {
        let mut bench = Bench::new(Service::Relay);
        bench.say("EHLO a");
        let envelope = Envelope::new(ReversePath::Null, MailParameters::default());
        let Step::Reply(reply) = bench.handle(Input::Admitted(envelope, admission)) else { panic!() };
        assert_eq!(shown(&reply), expected);
        assert_eq!(bench.smtp.stage(), Stage::Ready);
    }
}

#[test]
fn verify_tells_only_when_allowed() {
    let mut bench = Bench::new(Service::Relay);
    bench.talk(&[("VRFY ann", "252 2.0.0")]);
    bench.rules.vrfy = true;
    bench.talk(&[
        ("VRFY ann", "250 2.1.5"),
        ("EXPN list", "530 5.7.0"),
        ("HELP", "214 2.0.0"),
        ("ETRN x", "502 5.5.1"),
    ]);
}

#[test]
fn faults_close_the_connection_in_the_end() {
    let mut bench = Bench::new(Service::Relay);
    for _ in 1..SMTP_FAULTS_MAX {
        assert_eq!(bench.say("NONSENSE"), "500 5.5.1");
    }
    assert_eq!(bench.say("NONSENSE"), "421 4.7.0 close");
    let mut guesser = Bench::new(Service::Submission);
    guesser.say("EHLO a");
    guesser.talk(&[("AUTH PLAIN x", "535 5.7.8"); 4]);
    assert_eq!(guesser.say("AUTH PLAIN x"), "421 4.7.0 close");
}

#[test]
fn the_rest_of_a_refused_group_is_no_fault() {
    let mut bench = Bench::new(Service::Relay);
    bench.say("EHLO a");
    for _ in 0..50 {
        bench.talk(&[
            ("MAIL FROM:<> SIZE=1001", "552 5.3.4"),
            ("RCPT TO:<ann@example.org>", "503 5.5.1"),
            ("DATA", "503 5.5.1"),
        ]);
    }
    // A message makes up for faults.
    for _ in 0..3 {
        for _ in 1..SMTP_FAULTS_MAX {
            assert_eq!(bench.say("NONSENSE"), "500 5.5.1");
        }
        bench.talk(&[MAIL, RCPT, ("DATA", "250 2.0.0")]);
    }
}

#[test]
fn names_cannot_be_tried_for_ever() {
    let unknown = |bench: &mut Bench| bench.say("RCPT TO:<nobody@example.org>");
    let mut bench = Bench::new(Service::Relay);
    bench.say("EHLO a");
    for _ in 1..SMTP_UNKNOWN_RECIPIENTS_MAX {
        bench.talk(&[MAIL]);
        assert_eq!(unknown(&mut bench), "550 5.1.1");
        bench.talk(&[("RSET", "250 2.0.0")]);
    }
    bench.talk(&[MAIL]);
    assert_eq!(unknown(&mut bench), "421 4.7.0 close");
    let mut neighbour = Bench::new(Service::Relay);
    neighbour.loopback = true;
    let mut user = Bench::new(Service::Submission);
    user.talk(&[EHLO, ("STARTTLS", ""), EHLO, ("AUTH PLAIN good", "235 2.7.0")]);
    neighbour.say("EHLO a");
    for mut bench in [neighbour, user] {
        bench.talk(&[MAIL]);
        for _ in 0..100 {
            assert_eq!(unknown(&mut bench), "550 5.1.1");
        }
    }
}

#[test]
fn ten_thousand_recipients_are_refused_one_by_one() {
    let mut bench = Bench::new(Service::Relay);
    bench.talk(&[EHLO, MAIL]);
    let replies: Vec<String> = (0..10_000).map(|_| bench.say("RCPT TO:<ann@example.org>")).collect();
    assert!(replies[..RECIPIENTS_MAX].iter().all(|reply| reply == "250 2.1.5"));
    assert!(replies[RECIPIENTS_MAX..].iter().all(|reply| reply == "452 4.5.3"));
    bench.talk(&[("DATA", "250 2.0.0")]);
}

#[test]
fn a_connection_has_so_many_transactions() {
    let mut bench = Bench::new(Service::Relay);
    bench.say("EHLO a");
    for _ in 0..TRANSACTIONS_PER_CONNECTION_MAX {
        bench.talk(&[MAIL, ("RSET", "250 2.0.0")]);
    }
    bench.talk(&[("MAIL FROM:<>", "452 4.5.3")]);
}

proptest! {
    /// No order of commands gets a message in without EHLO, MAIL and RCPT, or past the login of submission.
    #[test]
    fn no_order_of_commands_opens_a_way_around(verbs in proptest::collection::vec(0usize..16, 0..30)) {
        let mut bench = Bench::new(Service::Submission);
        for index in verbs {
            let verb = Verb::ALL[index];
            let before = bench.smtp.clone();
            let heard = bench.say(line(verb));
            if verb == Verb::Data && heard == "250 2.0.0" {
                prop_assert!(before.envelope().is_some_and(|envelope| !envelope.recipients.is_empty()));
            }
            if bench.smtp.envelope().is_some() {
                prop_assert!(bench.smtp.client().is_some_and(|client| client.user.is_some()));
            }
            if heard.ends_with("close") {
                break;
            }
        }
    }
}
