//! A conversation as a list of steps.

/// One line of a conversation.
#[derive(Clone, Debug)]
pub struct Step {
    /// Line of the file.
    pub line: usize,
    /// What to do.
    pub what: What,
}

/// What a line says.
#[derive(Clone, Debug)]
pub enum What {
    /// `C:` and `@raw`: the client sends octets.
    Send(usize, Vec<u8>),
    /// `S:`: the client hears a line.
    Hear(usize, String),
    /// `S~`: the client hears lines up to this one.
    HearUpTo(usize, String),
    /// `@tls`.
    Handshake(usize),
    /// `@eof`.
    End(usize),
    /// `@close`.
    Close(usize),
    /// `@login`.
    Login(usize, String),
    /// `@big`.
    Big(usize),
    /// `@repeat`.
    Repeat(usize, Vec<Step>),
    /// `@service`.
    Service(String),
    /// `@implicit-tls`.
    ImplicitTls,
    /// `@peer`.
    Peer(String),
    /// `@account`.
    Account(String, u64),
    /// `@alias`.
    Alias(String, Vec<String>),
    /// `@deliver`.
    Deliver(String, String),
    /// `@later`.
    Later(u64),
    /// `@busy`.
    Busy(String),
    /// `@idle`.
    Idle,
    /// `@stop`.
    Stop,
    /// `@stored`.
    Stored(String, u32),
    /// `M:`.
    Message(String),
    /// `M~`.
    MessageUpTo(String),
    /// `M.`.
    MessageEnd,
}

/// A whole file.
#[derive(Debug)]
pub struct Script {
    /// Lines of `@config`.
    pub config: String,
    /// The rest.
    pub steps: Vec<Step>,
}

/// Reads a file.
pub fn parse(text: &str) -> Result<Script, String> {
    let mut config = String::new();
    // Blocks that are open: the file itself, and those of `@repeat`.
    let mut open: Vec<(usize, Vec<Step>)> = vec![(1, Vec::new())];
    for (index, source) in text.lines().enumerate() {
        let line = index + 1;
        let wrong = || format!("{line}: cannot be read: {source}");
        let (word, rest) = source.split_once(' ').unwrap_or((source, ""));
        let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
        let connection = || if rest.is_empty() { Ok(1) } else { number(rest) };
        let what = match word {
            "" | "#" | "@whole" => continue,
            "@config" => {
                config.push_str(rest);
                config.push('\n');
                continue;
            }
            "@repeat" => {
                open.push((number(rest)?, Vec::new()));
                continue;
            }
            "@end" if open.len() > 1 => {
                let (times, steps) = open.pop().ok_or_else(wrong)?;
                What::Repeat(times, steps)
            }
            "@tls" => What::Handshake(connection()?),
            "@eof" => What::End(connection()?),
            "@close" => What::Close(connection()?),
            "@raw" => What::Send(1, octets(rest).ok_or_else(wrong)?),
            "@big" => What::Big(number(rest)?),
            "@service" => What::Service(rest.to_owned()),
            "@implicit-tls" => What::ImplicitTls,
            "@peer" => What::Peer(rest.to_owned()),
            "@later" => What::Later(rest.parse().map_err(|_| wrong())?),
            "@busy" => What::Busy(rest.to_owned()),
            "@idle" => What::Idle,
            "@stop" => What::Stop,
            "@login" => {
                let (user, connection) = rest.split_once(' ').unwrap_or((rest, "1"));
                What::Login(number(connection)?, user.to_owned())
            }
            "@account" => {
                let (address, quota) = rest.split_once(' ').ok_or_else(wrong)?;
                What::Account(address.to_owned(), quota.parse().map_err(|_| wrong())?)
            }
            "@alias" => {
                let mut words = rest.split(' ').map(str::to_owned);
                What::Alias(words.next().ok_or_else(wrong)?, words.collect())
            }
            "@deliver" => {
                let (address, file) = rest.split_once(' ').ok_or_else(wrong)?;
                What::Deliver(address.to_owned(), file.to_owned())
            }
            "@stored" => {
                let (address, count) = rest.split_once(' ').ok_or_else(wrong)?;
                What::Stored(address.to_owned(), count.parse().map_err(|_| wrong())?)
            }
            "M:" => What::Message(rest.to_owned()),
            "M~" => What::MessageUpTo(rest.to_owned()),
            "M." => What::MessageEnd,
            _ => spoken(word, rest).ok_or_else(wrong)?,
        };
        open.last_mut().ok_or_else(wrong)?.1.push(Step { line, what });
    }
    match open.pop() {
        Some((1, steps)) if open.is_empty() => Ok(Script { config, steps }),
        _ => Err("@repeat without @end".to_owned()),
    }
}

/// `C:`, `S2:`, `S~` and so on.
fn spoken(word: &str, text: &str) -> Option<What> {
    let digits = word.get(1..word.len().checked_sub(1)?)?;
    let connection = if digits.is_empty() { 1 } else { digits.parse().ok()? };
    match (word.chars().next()?, word.chars().last()?) {
        ('C', ':') => Some(What::Send(connection, format!("{text}\r\n").into_bytes())),
        ('S', ':') => Some(What::Hear(connection, text.to_owned())),
        ('S', '~') => Some(What::HearUpTo(connection, text.to_owned())),
        _ => None,
    }
}

/// Text in quotes with its escapes.
fn octets(text: &str) -> Option<Vec<u8>> {
    let inner = text.trim_end().strip_prefix('"')?.strip_suffix('"')?;
    let mut octets = Vec::new();
    let mut rest = inner.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'\\' => match rest.next()? {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                b'x' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(core::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                other @ (b'\\' | b'"') => other,
                _ => return None,
            },
            other => other,
        });
    }
    Some(octets)
}

/// Does `heard` read like `pattern`, in which `...` stands for anything?
pub fn matches(pattern: &str, heard: &str) -> bool {
    let mut parts = pattern.split("...").peekable();
    let Some(mut rest) = heard.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    true
}
