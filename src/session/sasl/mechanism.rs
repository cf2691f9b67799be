//! The mechanisms by name.

/// A mechanism that this server can speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616: name and password.
    Plain,
    /// The same in two steps; for old clients.
    Login,
    /// RFC 7677.
    ScramSha256,
    /// RFC 7677 with channel binding.
    ScramSha256Plus,
    /// RFC 2195; needs kept passwords, so it is behind the legacy switch.
    CramMd5,
}

impl Mechanism {
    /// All of them, strongest first, as they are advertised.
    pub const ALL: [Self; 5] = [Self::ScramSha256Plus, Self::ScramSha256, Self::Plain, Self::Login, Self::CramMd5];

    /// The registered name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::CramMd5 => "CRAM-MD5",
        }
    }

    /// Finds a mechanism by name; mail protocols compare it without regard to case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }

    /// Does the password itself cross the line?
    #[must_use]
    pub fn shows_password(self) -> bool {
        match self {
            Self::Plain | Self::Login => true,
            Self::ScramSha256 | Self::ScramSha256Plus | Self::CramMd5 => false,
        }
    }
}
