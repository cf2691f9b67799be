//! What replies say to people, in every [`Language`].
//!
//! Owns one line of fixed size. A reply's meaning is in its status and code; these words may change at any time.

use super::language::Language;
use super::reply::Reply;
use core::fmt::{Arguments, Write};

/// RFC 1939 3: 512 octets with `-ERR`, code and CRLF.
const LINE_OCTETS_MAX: usize = 480;

/// A line that is being written. What does not fit is left out.
#[derive(Debug, Default)]
pub(super) struct Line(heapless::String<LINE_OCTETS_MAX>);

impl Line {
    /// Appends a text.
    pub(super) fn put(&mut self, text: Arguments<'_>) {
        // A line that is full stays as it is.
        let _ = self.0.write_fmt(text);
    }

    /// What was written.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Writes a reply's text.
pub(super) fn write(reply: &Reply, language: Language, line: &mut Line) {
    // LANG is answered in the language that it chose (RFC 6856 3.2).
    match language {
        Language::English => english(reply, line),
        Language::German => german(reply, line),
        Language::Chinese => chinese(reply, line),
    }
}

/// The same in every language: numbers and names.
fn common(reply: &Reply, line: &mut Line) -> bool {
    match reply {
        Reply::Greeting { host, timestamp: None } => line.put(format_args!("{host} Pillarbox POP3")),
        Reply::Greeting { host, timestamp: Some(stamp) } => line.put(format_args!("{host} Pillarbox POP3 {stamp}")),
        Reply::Statistics(messages, octets) => line.put(format_args!("{messages} {octets}")),
        Reply::Listed(number, octets) => line.put(format_args!("{number} {octets}")),
        Reply::Uid(number, id) => line.put(format_args!("{number} {id}")),
        _ => return false,
    }
    true
}

fn english(reply: &Reply, line: &mut Line) {
    line.put(match reply {
        Reply::Greeting { .. } | Reply::Statistics(..) | Reply::Listed(..) | Reply::Uid(..) => {
            common(reply, line);
            return;
        }
        Reply::PasswordNext => format_args!("Send your password"),
        Reply::Maildrop(messages, octets) | Reply::ListFollows(messages, octets) => {
            return line.put(format_args!("{messages} messages ({octets} octets)"));
        }
        Reply::UidlFollows => format_args!("Unique identifiers follow"),
        Reply::MessageFollows(octets) => return line.put(format_args!("{octets} octets")),
        Reply::TopFollows => format_args!("The beginning of the message follows"),
        Reply::Deleted(number) => return line.put(format_args!("Message {number} deleted")),
        Reply::Restored(messages, octets) => {
            return line.put(format_args!("Maildrop has {messages} messages ({octets} octets)"));
        }
        Reply::Done => format_args!("Done"),
        Reply::CapabilitiesFollow => format_args!("Capabilities follow"),
        Reply::MechanismsFollow => format_args!("Mechanisms follow"),
        Reply::LanguagesFollow => format_args!("Languages follow"),
        Reply::LanguageIs(_) => format_args!("Language changed"),
        Reply::Utf8On => format_args!("UTF-8 enabled"),
        Reply::BeginTls => format_args!("Begin TLS"),
        Reply::Goodbye => format_args!("Goodbye"),
        Reply::NotRemoved => format_args!("Some deleted messages were not removed"),
        Reply::UnknownCommand => format_args!("Unknown command"),
        Reply::BadArguments => format_args!("These arguments do not fit the command"),
        Reply::BadNumber => format_args!("That is no valid number"),
        Reply::BadControl => format_args!("Control characters are not allowed"),
        Reply::BadCharacters => format_args!("Only ASCII, or UTF-8 in names, is allowed"),
        Reply::BadBase64 => format_args!("That is no valid base64"),
        Reply::LineTooLong => format_args!("The line is too long"),
        Reply::TooManyBad => format_args!("Too many errors, closing the connection"),
        Reply::LogInFirst => format_args!("Log in first"),
        Reply::LoggedInAlready => format_args!("You are logged in already"),
        Reply::UserFirst => format_args!("Send USER first"),
        Reply::AlreadyDeleted(number) => return line.put(format_args!("Message {number} is already deleted")),
        Reply::NoSuchMessage => format_args!("No such message"),
        Reply::Unreadable => format_args!("The message cannot be read"),
        Reply::NoSuchLanguage => format_args!("This language is not available"),
        Reply::TlsActive => format_args!("TLS is active already"),
        Reply::NoTls => format_args!("TLS is not available"),
        Reply::TlsRequired => format_args!("Use TLS before logging in"),
        Reply::LoginFailed => format_args!("Wrong name or password"),
        Reply::LoginDelayed(wait) => {
            return line.put(format_args!("Too many failed logins, wait {} seconds", wait.as_secs()));
        }
        Reply::NoSuchMechanism => format_args!("This mechanism is not available"),
        Reply::Cancelled => format_args!("Authentication cancelled"),
        Reply::InUse => format_args!("Another session is using this maildrop"),
        Reply::Temporary => format_args!("Temporary failure, try again later"),
    });
}

fn german(reply: &Reply, line: &mut Line) {
    line.put(match reply {
        Reply::Greeting { .. } | Reply::Statistics(..) | Reply::Listed(..) | Reply::Uid(..) => {
            common(reply, line);
            return;
        }
        Reply::PasswordNext => format_args!("Bitte das Passwort senden"),
        Reply::Maildrop(messages, octets) | Reply::ListFollows(messages, octets) => {
            return line.put(format_args!("{messages} Nachrichten ({octets} Oktette)"));
        }
        Reply::UidlFollows => format_args!("Eindeutige Kennungen folgen"),
        Reply::MessageFollows(octets) => return line.put(format_args!("{octets} Oktette")),
        Reply::TopFollows => format_args!("Der Anfang der Nachricht folgt"),
        Reply::Deleted(number) => return line.put(format_args!("Nachricht {number} gelöscht")),
        Reply::Restored(messages, octets) => {
            return line.put(format_args!("Das Postfach hat {messages} Nachrichten ({octets} Oktette)"));
        }
        Reply::Done => format_args!("Erledigt"),
        Reply::CapabilitiesFollow => format_args!("Fähigkeiten folgen"),
        Reply::MechanismsFollow => format_args!("Verfahren folgen"),
        Reply::LanguagesFollow => format_args!("Sprachen folgen"),
        Reply::LanguageIs(_) => format_args!("Sprache gewechselt"),
        Reply::Utf8On => format_args!("UTF-8 eingeschaltet"),
        Reply::BeginTls => format_args!("TLS beginnen"),
        Reply::Goodbye => format_args!("Auf Wiedersehen"),
        Reply::NotRemoved => format_args!("Einige gelöschte Nachrichten konnten nicht entfernt werden"),
        Reply::UnknownCommand => format_args!("Unbekannter Befehl"),
        Reply::BadArguments => format_args!("Diese Angaben passen nicht zum Befehl"),
        Reply::BadNumber => format_args!("Das ist keine gültige Zahl"),
        Reply::BadControl => format_args!("Steuerzeichen sind nicht erlaubt"),
        Reply::BadCharacters => format_args!("Nur ASCII, in Namen auch UTF-8, ist erlaubt"),
        Reply::BadBase64 => format_args!("Das ist kein gültiges Base64"),
        Reply::LineTooLong => format_args!("Die Zeile ist zu lang"),
        Reply::TooManyBad => format_args!("Zu viele Fehler, die Verbindung wird geschlossen"),
        Reply::LogInFirst => format_args!("Bitte zuerst anmelden"),
        Reply::LoggedInAlready => format_args!("Die Anmeldung ist schon erfolgt"),
        Reply::UserFirst => format_args!("Bitte zuerst USER senden"),
        Reply::AlreadyDeleted(number) => return line.put(format_args!("Nachricht {number} ist schon gelöscht")),
        Reply::NoSuchMessage => format_args!("Diese Nachricht gibt es nicht"),
        Reply::Unreadable => format_args!("Die Nachricht kann nicht gelesen werden"),
        Reply::NoSuchLanguage => format_args!("Diese Sprache ist nicht verfügbar"),
        Reply::TlsActive => format_args!("TLS ist schon aktiv"),
        Reply::NoTls => format_args!("TLS ist nicht verfügbar"),
        Reply::TlsRequired => format_args!("Zum Anmelden wird TLS gebraucht"),
        Reply::LoginFailed => format_args!("Name oder Passwort ist falsch"),
        Reply::LoginDelayed(wait) => {
            return line.put(format_args!("Zu viele Fehlversuche, bitte {} Sekunden warten", wait.as_secs()));
        }
        Reply::NoSuchMechanism => format_args!("Dieses Verfahren ist nicht verfügbar"),
        Reply::Cancelled => format_args!("Anmeldung abgebrochen"),
        Reply::InUse => format_args!("Eine andere Sitzung benutzt dieses Postfach"),
        Reply::Temporary => format_args!("Vorübergehende Störung, bitte später noch einmal versuchen"),
    });
}

fn chinese(reply: &Reply, line: &mut Line) {
    line.put(match reply {
        Reply::Greeting { .. } | Reply::Statistics(..) | Reply::Listed(..) | Reply::Uid(..) => {
            common(reply, line);
            return;
        }
        Reply::PasswordNext => format_args!("请发送密码"),
        Reply::Maildrop(messages, octets) | Reply::ListFollows(messages, octets) => {
            return line.put(format_args!("{messages} 封邮件（{octets} 字节）"));
        }
        Reply::UidlFollows => format_args!("以下为唯一标识列表"),
        Reply::MessageFollows(octets) => return line.put(format_args!("{octets} 字节")),
        Reply::TopFollows => format_args!("以下为邮件开头"),
        Reply::Deleted(number) => return line.put(format_args!("邮件 {number} 已删除")),
        Reply::Restored(messages, octets) => {
            return line.put(format_args!("信箱有 {messages} 封邮件（{octets} 字节）"));
        }
        Reply::Done => format_args!("完成"),
        Reply::CapabilitiesFollow => format_args!("以下为功能列表"),
        Reply::MechanismsFollow => format_args!("以下为认证方式列表"),
        Reply::LanguagesFollow => format_args!("以下为语言列表"),
        Reply::LanguageIs(_) => format_args!("语言已更改"),
        Reply::Utf8On => format_args!("UTF-8 已启用"),
        Reply::BeginTls => format_args!("开始 TLS"),
        Reply::Goodbye => format_args!("再见"),
        Reply::NotRemoved => format_args!("部分已删除的邮件未能移除"),
        Reply::UnknownCommand => format_args!("未知命令"),
        Reply::BadArguments => format_args!("参数与命令不符"),
        Reply::BadNumber => format_args!("不是有效的数字"),
        Reply::BadControl => format_args!("不允许使用控制字符"),
        Reply::BadCharacters => format_args!("只允许 ASCII，名称中可用 UTF-8"),
        Reply::BadBase64 => format_args!("不是有效的 base64"),
        Reply::LineTooLong => format_args!("命令行过长"),
        Reply::TooManyBad => format_args!("错误过多，连接即将关闭"),
        Reply::LogInFirst => format_args!("请先登录"),
        Reply::LoggedInAlready => format_args!("您已经登录"),
        Reply::UserFirst => format_args!("请先发送 USER"),
        Reply::AlreadyDeleted(number) => return line.put(format_args!("邮件 {number} 已被删除")),
        Reply::NoSuchMessage => format_args!("没有此邮件"),
        Reply::Unreadable => format_args!("无法读取该邮件"),
        Reply::NoSuchLanguage => format_args!("不支持此语言"),
        Reply::TlsActive => format_args!("TLS 已经启用"),
        Reply::NoTls => format_args!("TLS 不可用"),
        Reply::TlsRequired => format_args!("登录前请先启用 TLS"),
        Reply::LoginFailed => format_args!("用户名或密码错误"),
        Reply::LoginDelayed(wait) => {
            return line.put(format_args!("登录失败次数过多，请等待 {} 秒", wait.as_secs()));
        }
        Reply::NoSuchMechanism => format_args!("不支持此认证方式"),
        Reply::Cancelled => format_args!("认证已取消"),
        Reply::InUse => format_args!("该信箱正被另一会话使用"),
        Reply::Temporary => format_args!("暂时故障，请稍后再试"),
    });
}
