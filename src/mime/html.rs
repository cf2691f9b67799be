//! The text of HTML, for SEARCH: tags, comments, styles and scripts are left out, character references are read.
//!
//! Owns the state between two characters and at most [`NAME_CHARS_MAX`] of them. It is no HTML parser: it is enough
//! that a word which a reader sees is found, and that no input costs more than its length.

/// A tag's name or a character reference: longer ones are none that matter.
const NAME_CHARS_MAX: usize = 10;

/// Elements that stand apart from the text around them.
const BLOCKS: [&str; 26] = [
    "p",
    "br",
    "div",
    "td",
    "th",
    "tr",
    "li",
    "ul",
    "ol",
    "dl",
    "dt",
    "dd",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "pre",
    "table",
    "title",
    "body",
    "option",
    "blockquote",
    "section",
];

/// References that mail uses; others stay as they are written.
const REFERENCES: [(&str, char); 6] =
    [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\''), ("nbsp", ' ')];

type Name = heapless::String<NAME_CHARS_MAX>;

#[derive(Debug)]
enum State {
    Text,
    /// After `&`.
    Reference(Name),
    /// After `<`, in the tag's name; is it complete?
    Tag(Name, bool),
    /// After `<!--`; how many hyphens came just now.
    Comment(u8),
}

/// Gives the characters that a reader of the HTML would see.
#[derive(Debug)]
pub(super) struct HtmlText {
    state: State,
    /// In this element, whose content is no text.
    hidden: Option<&'static str>,
}

impl HtmlText {
    pub(super) fn new() -> Self {
        Self { state: State::Text, hidden: None }
    }

    /// The next character of the HTML; `give` gets what it adds to the text.
    pub(super) fn push(&mut self, c: char, mut give: impl FnMut(char)) {
        let state = core::mem::replace(&mut self.state, State::Text);
        self.state = match state {
            State::Text => self.text(c, &mut give),
            State::Reference(name) => self.reference(name, c, &mut give),
            State::Tag(name, complete) => self.tag(name, complete, c, &mut give),
            State::Comment(hyphens) => match c {
                '-' => State::Comment(hyphens.saturating_add(1)),
                '>' if hyphens >= 2 => State::Text,
                _ => State::Comment(0),
            },
        };
    }

    /// The HTML has ended: gives what waited for its rest.
    pub(super) fn finish(self, mut give: impl FnMut(char)) {
        match self.state {
            State::Reference(name) => {
                give('&');
                name.chars().for_each(give);
            }
            State::Tag(name, false) if name.is_empty() => give('<'),
            _ => {}
        }
    }

    fn text(&self, c: char, give: &mut impl FnMut(char)) -> State {
        match c {
            '<' => State::Tag(Name::new(), false),
            _ if self.hidden.is_some() => State::Text,
            '&' => State::Reference(Name::new()),
            _ => {
                give(c);
                State::Text
            }
        }
    }

    fn reference(&self, mut name: Name, c: char, give: &mut impl FnMut(char)) -> State {
        if (c.is_ascii_alphanumeric() || c == '#') && name.push(c).is_ok() {
            return State::Reference(name);
        }
        if let Some(c) = referred(&name).filter(|_| c == ';') {
            give(c);
            return State::Text;
        }
        give('&');
        name.chars().for_each(&mut *give);
        self.text(c, give)
    }

    fn tag(&mut self, mut name: Name, complete: bool, c: char, give: &mut impl FnMut(char)) -> State {
        let first = name.is_empty() && !complete;
        if first && !(c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')) {
            // No tag at all: "a < b".
            if self.hidden.is_none() {
                give('<');
            }
            return self.text(c, give);
        }
        if c == '>' {
            self.tag_ends(&name, give);
            return State::Text;
        }
        if complete || c.is_ascii_whitespace() || (c == '/' && !first) || name.push(c.to_ascii_lowercase()).is_err() {
            return State::Tag(name, true);
        }
        if name == "!--" { State::Comment(0) } else { State::Tag(name, false) }
    }

    fn tag_ends(&mut self, name: &str, give: &mut impl FnMut(char)) {
        let (closing, element) = name.strip_prefix('/').map_or((false, name), |element| (true, element));
        match self.hidden {
            Some(hidden) if closing && hidden == element => self.hidden = None,
            Some(_) => {}
            None if closing => {}
            None => self.hidden = ["style", "script"].into_iter().find(|hidden| *hidden == element),
        }
        if BLOCKS.contains(&element) {
            give(' ');
        }
    }
}

fn referred(name: &str) -> Option<char> {
    let number = match name.strip_prefix('#') {
        None => return REFERENCES.iter().find(|(known, _)| *known == name).map(|&(_, c)| c),
        Some(number) => number,
    };
    let hex = number.strip_prefix(['x', 'X']);
    let value = hex.map_or_else(|| number.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())?;
    char::from_u32(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(html: &str) -> String {
        let mut out = String::new();
        let mut reader = HtmlText::new();
        for c in html.chars() {
            reader.push(c, |c| out.push(c));
        }
        reader.finish(|c| out.push(c));
        out
    }

    #[test]
    fn what_a_reader_sees() {
        for (html, expected) in [
            ("<p>Hello <b>wor</b>ld</p><p>x", " Hello world  x"),
            ("a&amp;b &#x4e2d;&#25991; &unknown; & c &lt", "a&b 中文 &unknown; & c &lt"),
            ("1 < 2 && 3 <4", "1 < 2 && 3 <4"),
            ("a<!-- <p> -- > x -->b", "ab"),
            ("<style type=x>p{}</style>a<SCRIPT>if (a<b) '</p>'</script >b", "ab"),
            ("<a href=\"x\">link</a><br/>end", "link end"),
            ("&#xffffffff;&#55296;&", "&#xffffffff;&#55296;&"),
            ("<", "<"),
        ] {
            assert_eq!(text(html), expected, "{html}");
        }
    }
}
