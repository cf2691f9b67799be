#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use proptest::prelude::*;

fn context() -> Context<'static> {
    Context { nonce: [7; NONCE_OCTETS], binding: Binding::None, host: "mail.example.org", unix: 1_700_000_000 }
}

fn begin(mechanism: Mechanism, initial: Option<&[u8]>) -> Step {
    Exchange::begin(mechanism, initial, &context())
}

fn checked(step: Step) -> Result<(String, Vec<u8>), Failure> {
    match step {
        Step::Check { user, password } => Ok((user, password)),
        Step::Failed(failure) => Err(failure),
        step => panic!("{step:?}"),
    }
}

#[test]
fn plain_is_one_message_after_an_empty_challenge_or_at_once() {
    let expected = Ok(("tim".to_owned(), b"tanstaaftanstaaf".to_vec()));
    assert_eq!(checked(begin(Mechanism::Plain, Some(b"\0tim\0tanstaaftanstaaf"))), expected);
    let Step::Challenge(exchange, challenge) = begin(Mechanism::Plain, None) else { panic!() };
    assert!(challenge.is_empty());
    assert_eq!(checked(exchange.handle(b"\0tim\0tanstaaftanstaaf")), expected);
}

#[test]
fn plain_serves_nobody_else() {
    assert!(checked(begin(Mechanism::Plain, Some(b"tim\0tim\0x"))).is_ok());
    assert!(checked(begin(Mechanism::Plain, Some(b"Tim\0tim\0x"))).is_ok());
    // The example of RFC 4616 4: Kurt asks for Ursel's.
    let kurt = b"Ursel\0Kurt\0xipj3plmq";
    assert_eq!(checked(begin(Mechanism::Plain, Some(kurt))), Err(Failure::Authorization));
}

#[test]
fn plain_messages_that_are_none_are_refused() {
    for bad in
        [&b""[..], b"tim", b"\0tim", b"\0tim\0", b"\0\0x", b"\0tim\0x\0", b"\0tim\0x\0y", b"\0t\xff\0x", b"\0t\nm\0x"]
    {
        assert!(matches!(checked(begin(Mechanism::Plain, Some(bad))), Err(Failure::Malformed(_))), "{bad:?}");
    }
    let mut long = b"\0tim\0".to_vec();
    long.resize(SASL_MESSAGE_OCTETS_MAX + 1, b'x');
    assert_eq!(checked(begin(Mechanism::Plain, Some(&long))), Err(Failure::TooLong));
    long.truncate(1000);
    assert_eq!(checked(begin(Mechanism::Plain, Some(&long))), Err(Failure::TooLong));
}

#[test]
fn login_asks_twice_or_takes_the_name_at_once() {
    let Step::Challenge(exchange, challenge) = begin(Mechanism::Login, None) else { panic!() };
    assert_eq!(challenge, b"Username:");
    for step in [exchange.handle(b"tim"), begin(Mechanism::Login, Some(b"tim"))] {
        let Step::Challenge(exchange, challenge) = step else { panic!() };
        assert_eq!(challenge, b"Password:");
        assert_eq!(checked(exchange.handle(b"secret")), Ok(("tim".into(), b"secret".to_vec())));
    }
    assert!(checked(begin(Mechanism::Login, Some(b""))).is_err());
    let Step::Challenge(exchange, _) = begin(Mechanism::Login, Some(b"tim")) else { panic!() };
    assert!(checked(exchange.handle(b"")).is_err());
}

#[test]
fn cram_md5_is_that_of_rfc_2195() {
    use super::cram_md5::read_hex;
    let Step::Challenge(exchange, challenge) = begin(Mechanism::CramMd5, None) else { panic!() };
    let challenge = String::from_utf8(challenge).unwrap();
    assert_eq!(challenge, format!("<{}.1700000000@mail.example.org>", "07".repeat(18)));
    let Step::CheckDigest { user, digest } = exchange.handle(b"tim jones b913a602c7eda7a495b4e6e7334d3890") else {
        panic!()
    };
    assert_eq!(user, "tim jones");
    assert!(!digest.matches(Some("tanstaaftanstaaf")), "it was made for another challenge");
    assert!(read_hex(b"b913a602c7eda7a495b4e6e7334d389").is_none());
    // The example's challenge and secret.
    let digest = Digest::example("<1896.697170952@postoffice.reston.mci.net>", b"b913a602c7eda7a495b4e6e7334d3890");
    assert!(digest.matches(Some("tanstaaftanstaaf")));
    assert!(!digest.matches(Some("tanstaaf")));
    assert!(!digest.matches(None));
}

#[test]
fn cram_md5_answers_that_are_none_are_refused() {
    assert!(matches!(begin(Mechanism::CramMd5, Some(b"")), Step::Failed(Failure::Malformed(_))));
    let digest = "b913a602c7eda7a495b4e6e7334d3890";
    for bad in [
        "",
        " ",
        "tim",
        digest,
        &format!(" {digest}"),
        &format!("tim {digest}0"),
        "tim b913",
        &format!("tim +{}", &digest[1..]),
    ] {
        let Step::Challenge(exchange, _) = begin(Mechanism::CramMd5, None) else { panic!() };
        assert!(matches!(exchange.handle(bad.as_bytes()), Step::Failed(_)), "{bad:?}");
    }
}

#[test]
fn mechanisms_are_found_in_any_case() {
    for mechanism in Mechanism::ALL {
        assert_eq!(Mechanism::parse(&mechanism.name().to_lowercase()), Some(mechanism));
    }
    assert_eq!(Mechanism::parse("SCRAM-SHA-1"), None);
    assert_eq!(Mechanism::parse(""), None);
}

proptest! {
    #[test]
    fn any_octets_are_survived(first: Vec<u8>, second: Vec<u8>) {
        for mechanism in Mechanism::ALL {
            let step = begin(mechanism, Some(&first));
            if let Step::Challenge(exchange, _) = step {
                let _ = exchange.handle(&second);
            }
            if let Step::Challenge(exchange, _) = begin(mechanism, None) {
                let _ = exchange.handle(&first);
            }
        }
    }

    #[test]
    fn plain_reads_what_was_written(user in "[^\\x00-\\x1f\\x7f-\\x9f]{1,60}", password in proptest::collection::vec(1u8.., 1..=256)) {
        let mut message = vec![0];
        message.extend_from_slice(user.as_bytes());
        message.push(0);
        message.extend_from_slice(&password);
        prop_assert_eq!(checked(begin(Mechanism::Plain, Some(&message))), Ok((user, password)));
    }
}
