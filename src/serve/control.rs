//! The control socket: how the command line speaks with a running server.
//!
//! A Unix socket in the data directory that only its owner may open. One request and one answer a connection: an octet
//! of version, four of length (little-endian), and postcard. Requests and answers are bounded, and so is the number of
//! connections. Executing requests is left to the server.

use super::stop::StopSignal;
use crate::account::{Answer, Command};
use crate::limits::{
    CONTROL_ANSWER_OCTETS_MAX, CONTROL_ANSWER_TIMEOUT, CONTROL_CONNECTIONS_MAX, CONTROL_REQUEST_OCTETS_MAX,
    CONTROL_TIMEOUT,
};
use crate::status::Report;
use core::time::Duration;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// The socket's name in the data directory.
pub const SOCKET_NAME: &str = "control.sock";

/// Of the messages below: a program of another version is told so instead of being misunderstood.
const VERSION: u8 = 1;
const HEAD_OCTETS: usize = 5;
/// sockaddr_un holds 108 octets with the closing NUL.
const SOCKET_PATH_MAX: usize = 107;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Are you there?
    Ping,
    /// Change or list accounts, aliases, domains.
    Command(Command),
    /// How are you?
    Status,
    /// The last lines of the log.
    Log {
        /// At most so many.
        lines: u32,
    },
    /// Stop in order.
    Stop,
    /// Write the index to the card now.
    Checkpoint,
    /// Have PID 1 start the appliance anew.
    Reboot,
    /// Have PID 1 switch the appliance off.
    PowerOff,
}

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// To a command.
    Answer(Answer),
    /// To `Status`.
    Report(Report),
    /// To `Log`.
    Lines(Vec<String>),
    /// Done, and nothing to say.
    Done,
    /// It did not work.
    Failed(Failed),
}

/// Why it did not work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The exit code that the command line ends with.
    pub code: u8,
    /// For people.
    pub message: String,
}

/// A way to the socket that is short enough for its address.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// Holds the directory that `path` goes through.
    _directory: Option<File>,
}

impl Place {
    fn of(data: &Path) -> io::Result<Self> {
        let path = data.join(SOCKET_NAME);
        if path.as_os_str().len() <= SOCKET_PATH_MAX {
            return Ok(Self { path, _directory: None });
        }
        let directory = File::open(data)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/{SOCKET_NAME}", directory.as_raw_fd()));
        Ok(Self { path, _directory: Some(directory) })
    }
}

/// Opens the socket. The caller has the store open, so whatever is there is of a server that is gone.
///
/// # Errors
/// As the operating system says.
pub fn listen(data: &Path) -> io::Result<UnixListener> {
    remove(data)?;
    let place = Place::of(data)?;
    let listener = UnixListener::bind(&place.path)?;
    // The directory keeps others out while the mode is not yet set.
    std::fs::set_permissions(&place.path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

/// Removes the socket's name.
///
/// # Errors
/// As the operating system says.
pub fn remove(data: &Path) -> io::Result<()> {
    match std::fs::remove_file(data.join(SOCKET_NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Answers requests until the server stops.
pub async fn serve<F>(
    listener: UnixListener,
    mut stop: StopSignal,
    answer: impl Fn(Request) -> F + Clone + Send + Sync + 'static,
) where
    F: Future<Output = Response> + Send,
{
    let places = Arc::new(Semaphore::new(CONTROL_CONNECTIONS_MAX));
    loop {
        let accepting = async {
            let place = Arc::clone(&places).acquire_owned().await.map_err(io::Error::other)?;
            let (stream, _) = listener.accept().await?;
            Ok::<_, io::Error>((stream, place))
        };
        let accepted = tokio::select! {
            biased;
            () = stop.stopped() => return,
            accepted = accepting => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let answer = answer.clone();
                drop(tokio::spawn(async move {
                    if let Err(error) = converse(stream, answer).await {
                        log::warn!("control: {error}");
                    }
                    drop(place);
                }));
            }
            Err(error) => {
                log::warn!("control: {error}");
                tokio::time::sleep(crate::limits::ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse<F>(mut stream: UnixStream, answer: impl Fn(Request) -> F) -> io::Result<()>
where
    F: Future<Output = Response>,
{
    let request = tokio::time::timeout(CONTROL_TIMEOUT, async {
        let mut head = [0; HEAD_OCTETS];
        stream.read_exact(&mut head).await?;
        let mut octets = vec![0; body_octets(head, CONTROL_REQUEST_OCTETS_MAX)?];
        stream.read_exact(&mut octets).await?;
        decode::<Request>(&octets)
    })
    .await
    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    let (response, is_stop) = match request {
        Ok(request) => {
            let is_stop = request == Request::Stop;
            (answer(request).await, is_stop)
        }
        Err(error) => (Response::Failed(Failed { code: 1, message: format!("request: {error}") }), false),
    };
    let octets = encode(&response, CONTROL_ANSWER_OCTETS_MAX)?;
    tokio::time::timeout(CONTROL_TIMEOUT, stream.write_all(&octets)).await??;
    if is_stop {
        // The end of this connection tells that the server is gone: the kernel brings it when the process ends.
        core::mem::forget(stream.into_std()?);
        return Ok(());
    }
    // Closing with octets that nobody read would take the answer away from the client.
    stream.shutdown().await?;
    let mut dropped = [0; 64];
    let to_the_end = async {
        while stream.read(&mut dropped).await? > 0 {}
        Ok(())
    };
    tokio::time::timeout(CONTROL_TIMEOUT, to_the_end).await?
}

/// Asks a running server. `None`: none is running there.
///
/// # Errors
/// As the operating system says, or if the server speaks another version; [`io::ErrorKind::TimedOut`] if it does not
/// answer within [`CONTROL_ANSWER_TIMEOUT`].
pub fn ask(data: &Path, request: &Request) -> io::Result<Option<Response>> {
    ask_within(CONTROL_ANSWER_TIMEOUT, data, request)
}

fn ask_within(patience: Duration, data: &Path, request: &Request) -> io::Result<Option<Response>> {
    exchange(patience, data, request).map_err(|error| match error.kind() {
        // What a socket says when its deadline passes.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::new(io::ErrorKind::TimedOut, "the running server does not answer")
        }
        _ => error,
    })
}

fn exchange(patience: Duration, data: &Path, request: &Request) -> io::Result<Option<Response>> {
    let Ok(place) = Place::of(data) else { return Ok(None) };
    let mut stream = match std::os::unix::net::UnixStream::connect(&place.path) {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(error),
            };
        }
    };
    stream.set_write_timeout(Some(patience))?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(&encode(request, CONTROL_REQUEST_OCTETS_MAX)?)?;
    let mut head = [0; HEAD_OCTETS];
    stream.read_exact(&mut head).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the server stopped before it answered"),
        _ => error,
    })?;
    let mut octets = vec![0; body_octets(head, CONTROL_ANSWER_OCTETS_MAX)?];
    stream.read_exact(&mut octets)?;
    let response = decode(&octets)?;
    if *request == Request::Stop {
        // Until the server is gone, which has limits of its own; how the connection ends does not matter.
        stream.set_read_timeout(None)?;
        let _ = stream.read(&mut head);
    }
    Ok(Some(response))
}

fn encode(message: &impl Serialize, octets_max: usize) -> io::Result<Vec<u8>> {
    let mut octets = vec![VERSION, 0, 0, 0, 0];
    octets = postcard::to_extend(message, octets).map_err(io::Error::other)?;
    let length = octets.len().saturating_sub(HEAD_OCTETS);
    match u32::try_from(length) {
        Ok(short) if length <= octets_max => {
            if let Some(field) = octets.get_mut(1..HEAD_OCTETS) {
                field.copy_from_slice(&short.to_le_bytes());
            }
            Ok(octets)
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{length} octets are too many for one message"))),
    }
}

fn decode<T: DeserializeOwned>(octets: &[u8]) -> io::Result<T> {
    postcard::from_bytes(octets).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn body_octets(head: [u8; HEAD_OCTETS], octets_max: usize) -> io::Result<usize> {
    let [version, length @ ..] = head;
    if version != VERSION {
        let message = "the running server is of another version than this program: restart it";
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    match usize::try_from(u32::from_le_bytes(length)) {
        Ok(octets) if octets <= octets_max => Ok(octets),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the message is too long")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::account::DomainCommand;
    use crate::serve::Stopper;
    use std::os::unix::fs::PermissionsExt;

    async fn echo(request: Request) -> Response {
        match request {
            Request::Log { lines } => Response::Lines((0..lines).map(|line| format!("line {line}")).collect()),
            Request::Command(command) => Response::Failed(Failed { code: 7, message: format!("{command:?}") }),
            _ => Response::Done,
        }
    }

    fn command() -> Request {
        Request::Command(Command::Domain(DomainCommand::Add { domain: "example.org".to_owned() }))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_request_is_answered_however_long_the_directory_is() {
        let folder = tempfile::tempdir().unwrap();
        let long = folder.path().join("x".repeat(150));
        std::fs::create_dir(&long).unwrap();
        for data in [folder.path(), &long] {
            assert_eq!(ask(data, &Request::Status).unwrap(), None);
            let (stopper, stop) = Stopper::new();
            let server = tokio::spawn(serve(listen(data).unwrap(), stop, echo));
            let mode = std::fs::metadata(data.join(SOCKET_NAME)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let data = data.to_owned();
            tokio::task::spawn_blocking(move || {
                let lines = ask(&data, &Request::Log { lines: 3 }).unwrap();
                assert_eq!(lines, Some(Response::Lines(vec!["line 0".into(), "line 1".into(), "line 2".into()])));
                let Some(Response::Failed(failed)) = ask(&data, &command()).unwrap() else { panic!() };
                assert!(failed.code == 7 && failed.message.contains("example.org"));
            })
            .await
            .unwrap();
            stopper.stop();
            server.await.unwrap();
        }
        // A socket whose server is gone is as good as none.
        assert_eq!(ask(folder.path(), &Request::Status).unwrap(), None);
        drop(listen(folder.path()).unwrap());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_no_request_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let (_stopper, stop) = Stopper::new();
        drop(tokio::spawn(serve(listen(folder.path()).unwrap(), stop, echo)));
        for (octets, expected) in [
            (vec![9, 1, 0, 0, 0, 1], "another version"),
            (vec![VERSION, 0xff, 0xff, 0xff, 0xff], "too long"),
            (vec![VERSION, 1, 0, 0, 0, 200], "request: "),
            (vec![VERSION, 1], "request: "),
        ] {
            let mut stream = UnixStream::connect(folder.path().join(SOCKET_NAME)).await.unwrap();
            stream.write_all(&octets).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).await.unwrap();
            let Response::Failed(failed) = decode(heard.split_off(HEAD_OCTETS).as_slice()).unwrap() else { panic!() };
            assert!(failed.message.contains(expected), "{}", failed.message);
        }
    }

    #[test]
    fn a_server_that_does_not_answer_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(folder.path().join(SOCKET_NAME)).unwrap();
        let error = ask_within(Duration::from_millis(10), folder.path(), &Request::Status).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(listener);
    }

    #[test]
    fn messages_that_are_too_long_are_not_sent() {
        assert!(encode(&Response::Lines(vec!["x".repeat(10_000)]), 9_999).is_err());
        let request = encode(&command(), CONTROL_REQUEST_OCTETS_MAX).unwrap();
        for cut in HEAD_OCTETS..request.len() {
            assert!(decode::<Request>(request.get(HEAD_OCTETS..cut).unwrap()).is_err());
        }
    }
}
