#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::as_conversions, clippy::panic)]

use super::*;
use crate::limits::INPUT_BUFFER_OCTETS;
use crate::serve::Stopper;
use crate::serve::room::{Places, Room};
use crate::serve::tls::tests::{client_config, server_config};
use rustls::pki_types::ServerName;
use tokio::io::DuplexStream;
use tokio_rustls::TlsConnector;

const LONG: Duration = Duration::from_secs(3_600);

fn peer() -> SocketAddr {
    "192.0.2.1:4000".parse().unwrap()
}

fn owned(line: Line<'_>) -> Option<Vec<u8>> {
    match line {
        Line::Whole(octets) => Some(octets.to_vec()),
        Line::TooLong => None,
    }
}

fn with_tls() -> (Connection, DuplexStream) {
    Connection::in_memory_with(peer(), Surroundings { tls: Some(server_config()), stop: StopSignal::never() })
}

/// Sends `octets` in two pieces cut at `cut`, then closes.
async fn send_cut(mut far: DuplexStream, octets: Vec<u8>, cut: usize) {
    far.write_all(&octets[..cut]).await.unwrap();
    tokio::task::yield_now().await;
    far.write_all(&octets[cut..]).await.unwrap();
}

#[tokio::test]
async fn lines_are_the_same_wherever_they_are_cut() {
    let sent = b"EHLO a\r\n\r\nbare\rcr\nlf\0\r\n0123456789012345\r\n01234567890123456\r\n\r\r\n\n\r\nend\r\n";
    let expected: [Option<&[u8]>; 8] = [
        Some(b"EHLO a"),
        Some(b""),
        Some(b"bare\rcr\nlf\0"),
        Some(b"0123456789012345"),
        None,
        Some(b"\r"),
        Some(b"\n"),
        Some(b"end"),
    ];
    for cut in 0..=sent.len() {
        let (mut connection, far) = Connection::in_memory(peer());
        let sender = tokio::spawn(send_cut(far, sent.to_vec(), cut));
        for line in expected {
            let got = owned(connection.line(16, LONG).await.unwrap());
            assert_eq!(got.as_deref(), line, "cut at {cut}");
        }
        assert_eq!(connection.line(16, LONG).await.unwrap_err(), ConnectionError::Closed);
        sender.await.unwrap();
    }
}

#[tokio::test]
async fn a_line_of_megabytes_takes_constant_memory_and_the_next_one_is_read() {
    let (mut connection, mut far) = Connection::in_memory(peer());
    let sender = tokio::spawn(async move {
        let chunk = vec![b'x'; 65_536];
        for _ in 0..64 {
            far.write_all(&chunk).await.unwrap();
        }
        far.write_all(b"\r\nNOOP\r\n").await.unwrap();
        far
    });
    assert_eq!(connection.line(usize::MAX, LONG).await.unwrap(), Line::TooLong);
    assert!(connection.input.capacity() <= INPUT_BUFFER_MAX);
    assert_eq!(connection.line(usize::MAX, LONG).await.unwrap(), Line::Whole(b"NOOP"));
    sender.await.unwrap();
}

#[tokio::test]
async fn the_longest_line_fits_and_one_octet_more_does_not() {
    for (octets, fits) in [(INPUT_BUFFER_OCTETS, true), (INPUT_BUFFER_OCTETS + 1, false)] {
        let (mut connection, mut far) = Connection::in_memory(peer());
        let sender = tokio::spawn(async move {
            let mut line = vec![b'x'; octets];
            line.extend_from_slice(b"\r\n");
            far.write_all(&line).await.unwrap();
        });
        let line = owned(connection.line(usize::MAX, LONG).await.unwrap());
        assert_eq!(line.is_some_and(|line| line.len() == octets), fits);
        sender.await.unwrap();
    }
}

#[tokio::test]
async fn a_dropped_line_call_loses_nothing() {
    let (mut connection, mut far) = Connection::in_memory(peer());
    for part in [b"too long ".as_slice(), b"by far", b"\r\nwh", b"ole\r"] {
        far.write_all(part).await.unwrap();
        let line = connection.line(8, LONG);
        tokio::select! {
            biased;
            line = line => assert!(matches!(line, Ok(Line::TooLong))),
            () = tokio::task::yield_now() => {}
        }
    }
    far.write_all(b"\n").await.unwrap();
    assert_eq!(connection.line(8, LONG).await.unwrap(), Line::Whole(b"whole"));
}

#[tokio::test]
async fn fill_read_and_consume_share_one_input() {
    let (mut connection, mut far) = Connection::in_memory(peer());
    far.write_all(b"DATA\r\nabcdef").await.unwrap();
    assert_eq!(connection.line(10, LONG).await.unwrap(), Line::Whole(b"DATA"));
    assert_eq!(connection.buffered(), b"abcdef");
    connection.consume(1);
    let mut into = [0; 3];
    assert_eq!(connection.read(&mut into, LONG).await.unwrap(), 3);
    assert_eq!(&into, b"bcd");
    assert_eq!(connection.read(&mut into, LONG).await.unwrap(), 2);
    far.write_all(b"gh").await.unwrap();
    assert_eq!(connection.read(&mut into, LONG).await.unwrap(), 2);
    assert_eq!(&into[..2], b"gh");
    far.write_all(b"i").await.unwrap();
    connection.fill(LONG).await.unwrap();
    far.write_all(b"j").await.unwrap();
    connection.fill(LONG).await.unwrap();
    assert_eq!(connection.buffered(), b"ij");
    drop(far);
    assert_eq!(connection.fill(LONG).await, Err(ConnectionError::Closed));
    assert_eq!(connection.buffered(), b"ij");
}

#[tokio::test]
async fn a_full_buffer_does_not_wait() {
    let (mut connection, mut far) = Connection::in_memory(peer());
    let sender = tokio::spawn(async move {
        far.write_all(&vec![b'x'; 2 * INPUT_BUFFER_MAX]).await.unwrap();
        far
    });
    while connection.buffered().len() < INPUT_BUFFER_MAX {
        connection.fill(LONG).await.unwrap();
    }
    connection.fill(LONG).await.unwrap();
    assert_eq!(connection.buffered().len(), INPUT_BUFFER_MAX);
    connection.consume(INPUT_BUFFER_MAX);
    let mut rest = vec![0; INPUT_BUFFER_MAX];
    let mut octets = 0;
    while octets < INPUT_BUFFER_MAX {
        octets += connection.read(&mut rest[octets..], LONG).await.unwrap();
    }
    sender.await.unwrap();
}

#[tokio::test]
async fn a_deadline_covers_the_whole_line() {
    let (mut connection, mut far) = Connection::in_memory(peer());
    far.write_all(b"NOO").await.unwrap();
    assert_eq!(connection.line(10, Duration::ZERO).await.unwrap_err(), ConnectionError::TimedOut);
    far.write_all(b"P\r\n").await.unwrap();
    assert_eq!(connection.line(10, LONG).await.unwrap(), Line::Whole(b"NOOP"));
}

#[tokio::test]
async fn stopping_ends_waiting_but_lets_a_last_word_out() {
    let (stopper, stop) = Stopper::new();
    let (mut connection, mut far) = Connection::in_memory_with(peer(), Surroundings { tls: None, stop });
    far.write_all(b"NOOP\r\nQU").await.unwrap();
    assert_eq!(connection.line(10, LONG).await.unwrap(), Line::Whole(b"NOOP"));
    let waiting = tokio::spawn(async move {
        let error = connection.line(10, LONG).await.unwrap_err();
        connection.write(b"421 bye\r\n", LONG).await.unwrap();
        connection.close().await;
        error
    });
    stopper.stop();
    assert_eq!(waiting.await.unwrap(), ConnectionError::Stopping);
    let mut heard = Vec::new();
    far.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"421 bye\r\n");
}

#[tokio::test]
async fn nothing_is_sent_before_flush_and_large_writes_go_through_whole() {
    let (mut connection, mut far) = Connection::in_memory(peer());
    let octets: Vec<u8> = (0..200_000_u32).map(|octet| octet as u8).collect();
    let expected = octets.clone();
    let writer = tokio::spawn(async move {
        connection.write(b"head ", LONG).await.unwrap();
        for piece in octets.chunks(70_001) {
            connection.write(piece, LONG).await.unwrap();
            assert!(connection.gathered.capacity() <= 2 * GATHER_OCTETS_MAX);
        }
        connection.flush(LONG).await.unwrap();
        assert_eq!(connection.gathered.capacity(), 0);
        connection.close().await;
    });
    let mut heard = Vec::new();
    far.read_to_end(&mut heard).await.unwrap();
    writer.await.unwrap();
    assert_eq!(&heard[..5], b"head ");
    assert!(heard[5..] == expected);
}

#[tokio::test]
async fn a_client_that_takes_nothing_breaks_the_connection() {
    let (mut connection, _far) = Connection::in_memory(peer());
    let much = vec![0; 100_000];
    assert_eq!(connection.write(&much, Duration::from_millis(1)).await, Err(ConnectionError::TimedOut));
    assert_eq!(connection.write(b"more", LONG).await, Err(ConnectionError::Closed));
    assert_eq!(connection.flush(LONG).await, Err(ConnectionError::Closed));
}

#[tokio::test]
async fn starttls_drops_what_was_pipelined_in_the_clear() {
    let (mut connection, mut far) = with_tls();
    assert!(connection.can_start_tls());
    far.write_all(b"STARTTLS\r\nMAIL FROM:<injected@example.org>\r\n").await.unwrap();
    assert_eq!(connection.line(100, LONG).await.unwrap(), Line::Whole(b"STARTTLS"));
    let client = tokio::spawn(async move {
        let mut greeting = [0; 4];
        far.read_exact(&mut greeting).await.unwrap();
        let connector = TlsConnector::from(client_config());
        let mut tls = connector.connect(ServerName::try_from("localhost").unwrap(), far).await.unwrap();
        let mut exporter = [0; 32];
        let session = tls.get_ref().1;
        session.export_keying_material(&mut exporter, b"EXPORTER-Channel-Binding", Some(&[])).unwrap();
        tls.write_all(b"EHLO b\r\n").await.unwrap();
        tls.flush().await.unwrap();
        let mut heard = Vec::new();
        tls.read_to_end(&mut heard).await.unwrap();
        (heard, exporter)
    });
    connection.write(b"220\n", LONG).await.unwrap();
    connection.start_tls().await.unwrap();
    assert!(!connection.can_start_tls());
    assert_eq!(connection.line(100, LONG).await.unwrap(), Line::Whole(b"EHLO b"));
    let info = connection.tls().unwrap().clone();
    assert_eq!((info.version, &info.cipher[..4]), ("TLSv1.3", "TLS_"));
    connection.write(b"250 ok", LONG).await.unwrap();
    connection.close().await;
    let (heard, exporter) = client.await.unwrap();
    assert_eq!(heard, b"250 ok");
    assert_eq!(info.exporter, Some(exporter));
}

#[tokio::test]
async fn clear_text_after_starttls_is_not_tls() {
    let (mut connection, mut far) = with_tls();
    far.write_all(b"MAIL FROM:<injected@example.org>\r\n").await.unwrap();
    assert_eq!(connection.start_tls().await, Err(ConnectionError::Closed));
    assert_eq!(connection.line(100, LONG).await.unwrap_err(), ConnectionError::Closed);
    assert_eq!(connection.write(&[0; 100_000], LONG).await, Err(ConnectionError::Closed));
}

#[tokio::test]
async fn without_a_certificate_there_is_no_tls() {
    let (mut connection, _far) = Connection::in_memory(peer());
    assert!(!connection.can_start_tls());
    assert_eq!(connection.start_tls().await, Err(ConnectionError::Closed));
}

/// A connection whose room is its own.
fn with_room(places: usize, tls: bool) -> (Connection, DuplexStream, &'static Places) {
    let pool: &'static Places = Box::leak(Box::new(Places::new(places, 1)));
    let (near, far) = tokio::io::duplex(65_536);
    let surroundings = Surroundings { tls: tls.then(server_config), stop: StopSignal::never() };
    let transport = Transport::memory_with_room(near, peer().ip(), pool);
    (Connection::new(transport, peer(), peer(), None, surroundings), far, pool)
}

/// Does a call wait, with all that can happen without it done?
async fn waits<F: Future>(call: core::pin::Pin<&mut F>) -> bool {
    tokio::select! {
        biased;
        _ = call => false,
        () = async { for _ in 0..50 { tokio::task::yield_now().await } } => true,
    }
}

#[tokio::test]
async fn a_long_line_waits_for_room_and_a_short_one_does_not() {
    let (mut connection, mut far, pool) = with_room(0, false);
    far.write_all(&[b'x'; 1_500]).await.unwrap();
    far.write_all(b"\r\n").await.unwrap();
    assert!(matches!(connection.line(10_000, LONG).await, Ok(Line::Whole(line)) if line.len() == 1_500));
    far.write_all(&[b'y'; 9_000]).await.unwrap();
    far.write_all(b"\r\nNOOP\r\n").await.unwrap();
    {
        let mut line = core::pin::pin!(connection.line(10_000, LONG));
        assert!(waits(line.as_mut()).await);
        pool.open.add_permits(1);
        assert!(matches!(line.await, Ok(Line::Whole(line)) if line.len() == 9_000));
    }
    assert_eq!(pool.open.available_permits(), 0);
    assert_eq!(connection.line(10_000, LONG).await.unwrap(), Line::Whole(b"NOOP"));
    assert!(waits(core::pin::pin!(connection.line(10_000, LONG))).await);
    // Nothing is held any more: others may have it.
    assert_eq!((pool.open.available_permits(), connection.input.is_large()), (1, false));
}

#[tokio::test]
async fn without_room_a_stream_of_data_goes_on_in_small_steps() {
    let (mut connection, mut far, _) = with_room(0, false);
    far.write_all(&[b'x'; 50_000]).await.unwrap();
    let mut octets = 0;
    while octets < 50_000 {
        connection.fill(LONG).await.unwrap();
        assert!(!connection.input.is_large());
        octets += connection.buffered().len();
        connection.consume(usize::MAX);
    }
    assert_eq!(octets, 50_000);
}

#[tokio::test(start_paused = true)]
async fn whoever_sits_on_room_is_cut_off() {
    let (mut connection, mut far, pool) = with_room(1, false);
    far.write_all(&[b'x'; 9_000]).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(connection.line(10_000, LONG).await.unwrap_err(), ConnectionError::TimedOut);
    assert_eq!(begun.elapsed().as_secs(), crate::limits::LARGE_INPUT_TIMEOUT.as_secs());
    drop(connection);
    assert_eq!(pool.open.available_permits(), 1);
    // A short line may take as long as its reader allows.
    let (mut connection, mut far, _) = with_room(1, false);
    far.write_all(b"NOO").await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(connection.line(10_000, Duration::from_secs(300)).await.unwrap_err(), ConnectionError::TimedOut);
    assert_eq!(begun.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn half_a_handshake_takes_no_room_from_clients() {
    let (mut connection, mut far, pool) = with_room(1, true);
    // A handshake message of 5,000 octets in a record that is not whole.
    let mut hello = vec![22, 3, 1, 0x20, 0, 1, 0, 0x1f, 0xfc];
    hello.resize(5_000, 0);
    far.write_all(&hello).await.unwrap();
    let begun = tokio::time::Instant::now();
    {
        let mut handshake = core::pin::pin!(connection.start_tls());
        assert!(waits(handshake.as_mut()).await);
        assert_eq!((pool.open.available_permits(), pool.shaking.available_permits()), (1, 0));
        assert!(handshake.await.is_err());
    }
    assert_eq!(begun.elapsed(), crate::limits::LARGE_HANDSHAKE_TIMEOUT);
    assert_eq!(pool.shaking.available_permits(), 1);
}

#[tokio::test]
async fn one_network_has_its_share_of_room() {
    let pool: &'static Places = Box::leak(Box::new(Places::new(64, 1)));
    let room = |text: &str| Room::new(pool, text.parse().unwrap());
    let mut taken: Vec<Room> = (0..20).map(|_| room("192.0.2.1")).collect();
    let took = taken.iter_mut().filter_map(|room| room.try_take().then_some(())).count();
    assert_eq!(took, crate::limits::LARGE_INPUTS_PER_NETWORK_MAX);
    assert!(room("192.0.2.2").try_take());
    let mut neighbours: Vec<Room> = (0..40).map(|_| room("127.0.0.1")).collect();
    assert!(neighbours.iter_mut().all(Room::try_take));
    let mut late = room("192.0.2.1");
    let mut waiting = core::pin::pin!(core::future::poll_fn(|cx| late.poll_take(cx)));
    assert!(waits(waiting.as_mut()).await);
    taken.first_mut().unwrap().release();
    waiting.await;
}

#[tokio::test]
async fn large_tls_records_need_room_and_give_it_back() {
    let (mut connection, far, pool) = with_room(0, true);
    let (octets, to_send) = tokio::sync::oneshot::channel::<()>();
    let client = tokio::spawn(async move {
        let connector = TlsConnector::from(client_config());
        let mut tls = connector.connect(ServerName::try_from("localhost").unwrap(), far).await.unwrap();
        tls.write_all(&[b's'; 1_500]).await.unwrap();
        tls.flush().await.unwrap();
        to_send.await.unwrap();
        tls.write_all(&[b'l'; 16_000]).await.unwrap();
        tls.flush().await.unwrap();
        tls
    });
    connection.start_tls().await.unwrap();
    let mut into = vec![0; 20_000];
    assert_eq!(connection.read(&mut into, LONG).await.unwrap(), 1_500);
    octets.send(()).unwrap();
    {
        let mut read = core::pin::pin!(connection.read(&mut into, LONG));
        assert!(waits(read.as_mut()).await);
        pool.open.add_permits(1);
        assert_eq!(read.await.unwrap(), 16_000);
    }
    assert!(waits(core::pin::pin!(connection.line(10, LONG))).await);
    assert_eq!(pool.open.available_permits(), 1);
    drop(client.await.unwrap());
}

/// Counts TLS records on their way to the client.
#[tokio::test]
async fn one_flush_is_one_record() {
    let (mut connection, far) = with_tls();
    let client = tokio::spawn(async move {
        let connector = TlsConnector::from(client_config());
        let mut tls = connector.connect(ServerName::try_from("localhost").unwrap(), far).await.unwrap();
        // TLS 1.3 session tickets would come with the first read: none are sent.
        let (raw, _) = tls.get_mut();
        let mut header = [0; 5];
        raw.read_exact(&mut header).await.unwrap();
        let mut body = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        raw.read_exact(&mut body).await.unwrap();
        let mut more = [0; 1];
        let nothing_follows = tokio::time::timeout(Duration::from_millis(1), raw.read(&mut more)).await.is_err();
        (body.len(), nothing_follows)
    });
    connection.start_tls().await.unwrap();
    for _ in 0..100 {
        connection.write(b"* 1 FETCH (FLAGS ())\r\n", LONG).await.unwrap();
    }
    connection.flush(LONG).await.unwrap();
    let (octets, nothing_follows) = client.await.unwrap();
    // 17: the record's content type and tag.
    assert_eq!((octets, nothing_follows), (2_200 + 17, true));
}

#[tokio::test]
async fn handshake_messages_without_end_are_cut_off() {
    let (mut connection, mut far) = with_tls();
    let client = tokio::spawn(async move {
        // A ClientHello that claims 65,535 octets, in records of 16,000.
        let mut octets = vec![0_u8; 70_000];
        octets[..4].copy_from_slice(&[1, 0, 0xff, 0xff]);
        for piece in octets.chunks(16_000) {
            let length = (piece.len() as u16).to_be_bytes();
            let record = [&[22, 3, 1, length[0], length[1]], piece].concat();
            if far.write_all(&record).await.is_err() {
                return;
            }
        }
        let mut heard = Vec::new();
        let _ = far.read_to_end(&mut heard).await;
    });
    assert_eq!(connection.start_tls().await, Err(ConnectionError::Closed));
    drop(connection);
    client.await.unwrap();
}

#[tokio::test]
async fn tls_over_tcp_says_goodbye_in_order() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (stream, peer) = listener.accept().await.unwrap();
        let surroundings = Surroundings { tls: Some(server_config()), stop: StopSignal::never() };
        let mut connection = Connection::tcp(stream, peer, None, surroundings);
        connection.start_tls().await.unwrap();
        assert!(connection.is_loopback());
        let mut total = 0;
        loop {
            match connection.fill(LONG).await {
                Ok(()) => {
                    let octets = connection.buffered().len();
                    connection.consume(octets);
                    total += octets;
                    if total == 300_000 {
                        break;
                    }
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        connection.write(b"bye", LONG).await.unwrap();
        connection.close().await;
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = TlsConnector::from(client_config());
    let mut tls = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    tls.write_all(&vec![7; 300_000]).await.unwrap();
    tls.flush().await.unwrap();
    let mut heard = Vec::new();
    // An end without close_notify would be an error.
    tls.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"bye");
    drop(tls);
    server.await.unwrap();
}

/// Every idle session holds these: they should not grow unseen.
#[tokio::test]
async fn what_a_session_waits_in_is_small() {
    let (mut connection, _far) = Connection::in_memory(peer());
    assert!(size_of::<Connection>() <= 420, "{}", size_of::<Connection>());
    assert!(size_of_val(&connection.line(1, LONG)) <= 1_000);
    assert!(size_of_val(&connection.write(b"", LONG)) <= 500);
    assert!(size_of_val(&connection.start_tls()) <= 100);
    assert!(size_of_val(&connection.close()) <= 100);
}
