//! One search key against one message: in its summary, its header, or its body as it streams by.
//!
//! What bounds its memory: one piece of the message, one header field, and the list of text parts, which the summary
//! bounds. Long bodies are looked through in steps.

use super::fields::{Fields, split};
use crate::limits::{HEADER_FIELD_NAME_OCTETS_MAX, IMAP_PIECE_OCTETS};
use crate::mime::{Body, Part, Span, Summary, TextMatcher, TransferDecoder, header_contains, sent_day};
use crate::session::imap::Leaf;
use crate::store::{BlobReader, Error, MessageRow, Store, WorkingBuffer};

/// A subject shorter than this stands whole in the summary, however much of it was cut.
const SUBJECT_WHOLE_OCTETS: usize = 64;

/// Something to be looked through.
enum Task {
    /// A text part's content.
    Content { span: Span, encoding: Box<[u8]>, charset: Box<[u8]>, html: bool },
    /// A header block, all its fields.
    Header(Span),
}

/// What is being looked through.
enum Running {
    Content { at: u64, left: u64, decoder: Option<TransferDecoder>, matcher: Box<TextMatcher>, decoded: Vec<u8> },
    Header { at: u64, left: u64, fields: Fields },
}

/// A key that needs octets of the message.
pub(super) struct Scan {
    reader: BlobReader,
    /// Only the field of this name.
    field: Option<Box<str>>,
    needle: Box<str>,
    tasks: std::vec::IntoIter<Task>,
    running: Option<Running>,
    piece: Vec<u8>,
    found: bool,
}

/// What became of a key at once.
pub(super) enum Begun {
    /// It holds, or does not.
    Known(bool),
    /// Octets must be read.
    Scan(Box<Scan>),
}

impl Scan {
    /// Begins with a key.
    pub(super) fn begin(
        store: &Store,
        row: &MessageRow,
        leaf: &Leaf,
        summary: &Summary,
        lend: impl FnOnce() -> WorkingBuffer,
    ) -> Result<Begun, Error> {
        let mut tasks = Vec::new();
        let mut field = None;
        let needle = match leaf {
            Leaf::Sent(order, day) => {
                // RFC 9051 6.4.4: disregarding time and zone. A message without a date was never sent.
                let sent = sent_day(&summary.envelope);
                return Ok(Begun::Known(sent.is_some_and(|sent| order.holds(sent, *day))));
            }
            Leaf::Header(name, needle) => {
                let short = summary.envelope.subject.as_deref().filter(|text| text.len() < SUBJECT_WHOLE_OCTETS);
                if let Some(subject) = short.filter(|_| name.eq_ignore_ascii_case("subject")) {
                    return Ok(Begun::Known(header_contains(subject, needle)));
                }
                if name.is_empty() || name.len() > HEADER_FIELD_NAME_OCTETS_MAX {
                    return Ok(Begun::Known(false));
                }
                field = Some(name.clone());
                tasks.push(Task::Header(summary.root.header));
                needle
            }
            Leaf::Body(needle) => {
                content(&summary.root, &mut tasks);
                needle
            }
            Leaf::Text(needle) => {
                tasks.push(Task::Header(summary.root.header));
                content(&summary.root, &mut tasks);
                needle
            }
        };
        let reader = store.open_blob_with(row.blob, lend())?;
        Ok(Begun::Scan(Box::new(Self {
            reader,
            field,
            needle: needle.clone(),
            tasks: tasks.into_iter(),
            running: None,
            piece: vec![0; IMAP_PIECE_OCTETS],
            found: false,
        })))
    }

    /// Gives the working buffer back.
    pub(super) fn into_buffer(self) -> WorkingBuffer {
        self.reader.into_buffer()
    }

    /// Goes on for about `budget` octets, which it takes off; gives the answer once it is known.
    pub(super) fn go_on(&mut self, budget: &mut usize) -> Result<Option<bool>, Error> {
        while !self.found {
            if *budget == 0 {
                return Ok(None);
            }
            let Some(mut running) = self.running.take().or_else(|| self.next()) else { return Ok(Some(false)) };
            let (at, left) = match &mut running {
                Running::Content { at, left, .. } | Running::Header { at, left, .. } => (at, left),
            };
            let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(self.piece.len());
            let room = self.piece.get_mut(..wanted).unwrap_or_default();
            let got = if room.is_empty() { 0 } else { self.reader.read_at(*at, room)? };
            *at = at.saturating_add(u64::try_from(got).unwrap_or(u64::MAX));
            *left = left.saturating_sub(u64::try_from(got).unwrap_or(u64::MAX));
            // Short pieces cost a read as well.
            *budget = budget.saturating_sub(got.max(64));
            if got == 0 {
                self.end(running);
            } else if self.look(&mut running, got) {
                self.running = Some(running);
            }
        }
        Ok(Some(true))
    }

    fn next(&mut self) -> Option<Running> {
        Some(match self.tasks.next()? {
            Task::Header(span) => Running::Header { at: span.offset, left: span.octets, fields: Fields::default() },
            Task::Content { span, encoding, charset, html } => {
                let matcher = TextMatcher::new(&self.needle, &charset);
                let matcher = Box::new(if html { matcher.html() } else { matcher });
                // What cannot be decoded is searched as it stands.
                let decoder = TransferDecoder::new(&encoding);
                Running::Content { at: span.offset, left: span.octets, decoder, matcher, decoded: Vec::new() }
            }
        })
    }

    /// Looks at the first `got` octets of the piece; gives whether the task goes on.
    fn look(&mut self, running: &mut Running, got: usize) -> bool {
        let octets = self.piece.get(..got).unwrap_or_default();
        match running {
            Running::Content { decoder, matcher, decoded, .. } => {
                self.found = match decoder {
                    Some(decoder) => {
                        decoded.clear();
                        decoder.push(octets, decoded);
                        matcher.push(decoded)
                    }
                    None => matcher.push(octets),
                };
                true
            }
            Running::Header { fields, .. } => {
                let (field, needle, found) = (self.field.as_deref(), &self.needle, &mut self.found);
                fields.push(octets, |one| {
                    *found = field_matches(one, field, needle);
                    !*found
                })
            }
        }
    }

    /// A task has come to its end.
    fn end(&mut self, running: Running) {
        match running {
            Running::Content { decoder, mut matcher, mut decoded, .. } => {
                decoded.clear();
                if let Some(decoder) = decoder {
                    decoder.finish(&mut decoded);
                }
                self.found = matcher.push(&decoded) || matcher.finish();
            }
            Running::Header { fields, .. } => {
                let (field, needle, found) = (self.field.as_deref(), &self.needle, &mut self.found);
                fields.finish(|one| {
                    *found = field_matches(one, field, needle);
                    !*found
                });
            }
        }
    }
}

/// RFC 9051 6.4.4: the field's text has the needle in it; TEXT looks at names as well.
fn field_matches(field: &[u8], name: Option<&str>, needle: &str) -> bool {
    match (name, split(field)) {
        (None, _) => header_contains(field, needle),
        (Some(name), Some((found, value))) => {
            found.eq_ignore_ascii_case(name.as_bytes()) && header_contains(value.trim_ascii(), needle)
        }
        (Some(_), None) => false,
    }
}

/// The texts of a body: text parts, messages inside with their headers, and the headers of parts, which name
/// attachments.
fn content(part: &Part, tasks: &mut Vec<Task>) {
    match &part.inside {
        Body::Multipart(parts) => {
            for part in parts {
                tasks.push(Task::Header(part.header));
                content(part, tasks);
            }
        }
        Body::Message(inside) => {
            tasks.push(Task::Header(inside.1.header));
            content(&inside.1, tasks);
        }
        Body::Leaf => {
            let is = |media: &[u8]| part.media_type.eq_ignore_ascii_case(media);
            // message/delivery-status and its like are texts.
            if is(b"text") || is(b"message") {
                let charset = part.parameters.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(b"charset"));
                tasks.push(Task::Content {
                    span: part.body,
                    encoding: part.encoding.clone(),
                    charset: charset.map(|parameter| parameter.value.clone()).unwrap_or_default(),
                    html: part.media_subtype.eq_ignore_ascii_case(b"html"),
                });
            }
        }
    }
}
