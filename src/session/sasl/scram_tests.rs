#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use crate::session::sasl::Mechanism;
use core::num::NonZeroU32;
use proptest::prelude::*;
use ring::pbkdf2;

const NONCE: [u8; NONCE_OCTETS] = [7; NONCE_OCTETS];
const SALT: [u8; 16] = [9; 16];
const ITERATIONS: u32 = 10;

fn context(binding: Binding) -> Context<'static> {
    Context { nonce: NONCE, binding, host: "mail.example.org", unix: 1 }
}

fn salted(password: &str, salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut salted = [0; 32];
    let iterations = NonZeroU32::new(iterations).unwrap();
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password.as_bytes(), &mut salted);
    salted
}

fn mac(key: &[u8], text: &[u8]) -> [u8; 32] {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().try_into().unwrap()
}

fn keys<'a>(password: &str, salt: &'a [u8], iterations: u32) -> Keys<'a> {
    let salted = salted(password, salt, iterations);
    let stored_key = digest::digest(&digest::SHA256, &mac(&salted, b"Client Key")).as_ref().try_into().unwrap();
    Keys { iterations, salt, stored_key, server_key: mac(&salted, b"Server Key") }
}

/// A client's last message, and what the server must then say.
fn answer(password: &str, header: &[u8], bare: &str, server_first: &str) -> (String, String) {
    let part = |letter: &str| server_first.split(',').find_map(|part| part.strip_prefix(letter)).unwrap();
    let salted = salted(password, &STANDARD.decode(part("s=")).unwrap(), part("i=").parse().unwrap());
    let without_proof = format!("c={},r={}", STANDARD.encode(header), part("r="));
    let message = format!("{bare},{server_first},{without_proof}");
    let client_key = mac(&salted, b"Client Key");
    let stored_key = digest::digest(&digest::SHA256, &client_key);
    let signature = mac(stored_key.as_ref(), message.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, signature)| key ^ signature).collect();
    let server = mac(&mac(&salted, b"Server Key"), message.as_bytes());
    (format!("{without_proof},p={}", STANDARD.encode(proof)), format!("v={}", STANDARD.encode(server)))
}

/// Runs a whole exchange of a well-behaved client.
fn run(mechanism: Mechanism, flag: &str, binding: Binding, sent: &[u8], password: &str) -> Result<(), Failure> {
    let bare = "n=ann,r=abcdef";
    let header = format!("{flag},,");
    let first = format!("{header}{bare}");
    let awaiting = match Exchange::begin(mechanism, Some(first.as_bytes()), &context(binding)) {
        Step::NeedKeys { user, exchange } => {
            assert_eq!(user, "ann");
            exchange
        }
        Step::Failed(failure) => return Err(failure),
        step => panic!("{step:?}"),
    };
    let Step::Challenge(exchange, server_first) = awaiting.proceed(keys("pencil", &SALT, ITERATIONS)) else { panic!() };
    let mut bound = header.into_bytes();
    bound.extend_from_slice(sent);
    let (last, expected) = answer(password, &bound, bare, core::str::from_utf8(&server_first).unwrap());
    match exchange.handle(last.as_bytes()) {
        Step::Proved(server_final) => {
            assert_eq!(server_final, expected.into_bytes());
            Ok(())
        }
        Step::Failed(failure) => Err(failure),
        step => panic!("{step:?}"),
    }
}

#[test]
fn the_example_of_rfc_7677_is_accepted() {
    let first = ClientFirst::read("n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
    assert_eq!((first.user.as_str(), first.nonce, first.gs2_header), ("user", "rOprNGfwEbeRWgbNEkqO", "n,,"));
    let awaiting = AwaitKeys {
        binding: STANDARD.encode(first.gs2_header),
        nonce: "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".into(),
        first_bare: first.bare.into(),
    };
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let Step::Challenge(exchange, server_first) = awaiting.proceed(keys("pencil", &salt, 4096)) else { panic!() };
    let expected = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    assert_eq!(core::str::from_utf8(&server_first).unwrap(), expected);
    let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    let Step::Proved(server_final) = exchange.handle(last.as_bytes()) else { panic!() };
    assert_eq!(server_final, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

#[test]
fn the_right_password_is_proved_and_a_wrong_one_is_not() {
    assert_eq!(run(Mechanism::ScramSha256, "n", Binding::None, b"", "pencil"), Ok(()));
    assert_eq!(run(Mechanism::ScramSha256, "y", Binding::None, b"", "pencil"), Ok(()));
    assert_eq!(run(Mechanism::ScramSha256, "n", Binding::TlsExporter([1; 32]), b"", "pencil"), Ok(()));
    assert_eq!(run(Mechanism::ScramSha256, "n", Binding::None, b"", "Pencil"), Err(Failure::Proof));
}

#[test]
fn channel_bindings_must_be_this_connections() {
    let here = Binding::TlsExporter([1; 32]);
    let plus = Mechanism::ScramSha256Plus;
    assert_eq!(run(plus, "p=tls-exporter", here, &[1; 32], "pencil"), Ok(()));
    assert_eq!(
        run(plus, "p=tls-exporter", here, &[2; 32], "pencil"),
        Err(Failure::ChannelBinding),
        "a man in the middle"
    );
    assert_eq!(run(plus, "p=tls-exporter", here, b"", "pencil"), Err(Failure::ChannelBinding));
    assert_eq!(run(plus, "p=tls-unique", here, &[1; 32], "pencil"), Err(Failure::ChannelBinding));
    assert_eq!(run(plus, "p=tls-exporter", Binding::None, &[1; 32], "pencil"), Err(Failure::ChannelBinding));
    assert_eq!(run(plus, "n", here, b"", "pencil"), Err(Failure::ChannelBinding));
    assert_eq!(run(Mechanism::ScramSha256, "p=tls-exporter", here, &[1; 32], "pencil"), Err(Failure::ChannelBinding));
    assert_eq!(run(Mechanism::ScramSha256, "n", Binding::None, &[1; 32], "pencil"), Err(Failure::ChannelBinding));
}

#[test]
fn a_downgrade_is_noticed() {
    // RFC 5802 6: the client could bind and was not told that this server can.
    let here = Binding::TlsExporter([1; 32]);
    assert_eq!(run(Mechanism::ScramSha256, "y", here, b"", "pencil"), Err(Failure::ChannelBinding));
}

#[test]
fn first_messages_are_read_as_the_rfc_says() {
    let user = |message: &str| ClientFirst::read(message).map(|first| first.user);
    assert_eq!(user("n,,n=a=2Cb=3Dc,r=x"), Ok("a,b=c".into()));
    assert_eq!(user("n,a=ann,n=ann,r=x"), Ok("ann".into()));
    assert_eq!(user("n,a=bob,n=ann,r=x"), Err(Failure::Authorization));
    assert_eq!(user("n,,n=ann,r=x,e=later"), Ok("ann".into()), "extensions are passed over");
    assert_eq!(user("n,,m=must,n=ann,r=x"), Err(Failure::Malformed("SCRAM extension")));
    for bad in [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=ann",
        "n,,n=,r=x",
        "n,,n=ann,r=",
        "n,,n=a=2cb,r=x",
        "n,,n=a=,r=x",
        "q,,n=ann,r=x",
        "p,,n=ann,r=x",
        "n,ann,n=ann,r=x",
        "n,,r=x,n=ann",
        "n,,n=ann,r=x y",
        "n,,n=ann,r=ä",
        "n,,n=ann,r=x,",
        "n,,n=ann,r=x,1=2",
        "n,,n=a\u{0}b,r=x",
    ] {
        assert!(matches!(user(bad), Err(Failure::Malformed(_))), "{bad:?}");
    }
    assert_eq!(user(&format!("n,,n=ann,r={}", "x".repeat(SASL_NONCE_OCTETS_MAX + 1))), Err(Failure::TooLong));
}

/// An exchange that waits for the last message, the server's first and a right last message.
fn waiting() -> (Exchange, String) {
    let bare = "n=ann,r=abcdef";
    let Step::NeedKeys { exchange, .. } =
        Exchange::begin(Mechanism::ScramSha256, Some(format!("n,,{bare}").as_bytes()), &context(Binding::None))
    else {
        panic!()
    };
    let Step::Challenge(exchange, server_first) = exchange.proceed(keys("pencil", &SALT, ITERATIONS)) else { panic!() };
    let (last, _) = answer("pencil", b"n,,", bare, core::str::from_utf8(&server_first).unwrap());
    (exchange, last)
}

#[test]
fn last_messages_are_whole_or_refused() {
    let (exchange, last) = waiting();
    assert!(matches!(exchange.handle(last.as_bytes()), Step::Proved(_)));
    for cut in 0..last.len() {
        let (exchange, last) = waiting();
        assert!(matches!(exchange.handle(&last.as_bytes()[..cut]), Step::Failed(_)), "cut at {cut}");
    }
    for place in 0..last.len() {
        let (exchange, last) = waiting();
        let mut garbled = last.into_bytes();
        garbled[place] ^= 1;
        assert!(matches!(exchange.handle(&garbled), Step::Failed(_)), "garbled at {place}");
    }
    // A first message where the last belongs, and only the server's half of the nonce.
    let (exchange, _) = waiting();
    assert!(matches!(exchange.handle(b"n,,n=ann,r=abcdef"), Step::Failed(Failure::Malformed(_))));
    let (exchange, last) = waiting();
    let other = last.replace("r=abcdef", "r=abcdeg");
    assert!(matches!(exchange.handle(other.as_bytes()), Step::Failed(Failure::Malformed("another nonce"))));
}

proptest! {
    #[test]
    fn any_octets_are_survived(first: Vec<u8>, last: Vec<u8>) {
        let _ = Exchange::begin(Mechanism::ScramSha256, Some(&first), &context(Binding::None));
        let (exchange, _) = waiting();
        prop_assert!(matches!(exchange.handle(&last), Step::Failed(_)));
    }

    #[test]
    fn near_misses_are_survived(message in "[nyp=,aerms2C3D]{0,40}") {
        let _ = ClientFirst::read(&message);
        let (exchange, _) = waiting();
        let last = format!("c=biws,{message}");
        prop_assert!(matches!(exchange.handle(last.as_bytes()), Step::Failed(_)));
    }
}
