//! Real programs from Debian send mail to Pillarbox and read it back.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::Path;
use std::process::Command;
use support::{DOMAIN, Server, eventually, finish, succeed};

/// The message with this subject in a user's inbox, by IMAP; empty if there is none.
fn fetch_by_subject(server: &Server, user: &str, subject: &str) -> String {
    let mut imap = server.connect("imap");
    imap.imap_login(user);
    imap.imap("SELECT INBOX");
    let found = imap.imap(&format!("SEARCH SUBJECT \"{subject}\""));
    let hit = found.iter().find_map(|line| line.strip_prefix("* SEARCH ").map(str::to_owned));
    hit.map_or_else(String::new, |number| imap.imap(&format!("FETCH {number} BODY.PEEK[]")).join("\n"))
}

#[test]
fn swaks_delivers_to_the_relay_port() {
    let server = Server::start();
    let port = server.port("smtp").to_string();
    let mut swaks = Command::new("swaks");
    swaks.args([
        "--server",
        "127.0.0.1",
        "--port",
        &port,
        "--to",
        "ann@example.org",
        "--from",
        "zoe@elsewhere.invalid",
    ]);
    let shown = succeed(swaks.args(["--header", "Subject: from swaks"]), b"");
    assert!(shown.contains("250 "), "{shown}");
    let message = fetch_by_subject(&server, "ann", "from swaks");
    assert!(message.contains("Return-Path: <zoe@elsewhere.invalid>"), "{message}");
    assert!(message.contains("This is a test mailing"), "{message}");
}

#[test]
fn swaks_is_refused_what_strangers_may_not_do() {
    let server = Server::start();
    let port = server.port("smtp").to_string();
    let send = |to: &str| {
        finish(
            Command::new("swaks").args(["--server", "127.0.0.1", "--port", &port, "--from", "z@w.invalid", "--to", to]),
            b"",
        )
    };
    let (code, shown) = send("someone@elsewhere.invalid");
    assert!(code != Some(0) && shown.contains("5.7.1"), "{shown}");
    let (code, shown) = send("nobody@example.org");
    assert!(code != Some(0) && shown.contains("5.1.1"), "{shown}");
}

#[test]
fn swaks_submits_with_starttls_and_every_mechanism() {
    let server = Server::start();
    let port = server.port("submission").to_string();
    for mechanism in ["PLAIN", "LOGIN"] {
        let subject = format!("submitted by {mechanism}");
        let mut swaks = Command::new("swaks");
        swaks.args(["--server", "127.0.0.1", "--port", &port, "--tls", "--auth", mechanism]);
        swaks.args(["--auth-user", "ann@example.org", "--auth-password", &Server::password("ann")]);
        swaks.args([
            "--from",
            "ann@example.org",
            "--to",
            "bob@example.org",
            "--header",
            &format!("Subject: {subject}"),
        ]);
        succeed(&mut swaks, b"");
        let message = fetch_by_subject(&server, "bob", &subject);
        assert!(message.contains("with ESMTPSA"), "{message}");
    }
}

#[test]
fn curl_sends_and_reads_under_tls() {
    let server = Server::start();
    let file = server.message_file("curl.eml", "ann", "from curl", "Sent with curl: ünïcode.");
    let curl = |arguments: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--cacert"]).arg(server.ca()).args(arguments);
        succeed(&mut command, b"")
    };
    let submissions = format!("smtps://localhost:{}", server.port("submissions"));
    let bob = format!("bob@example.org:{}", Server::password("bob"));
    let ann = format!("ann@example.org:{}", Server::password("ann"));
    let upload = ["--mail-from", "bob@example.org", "--mail-rcpt", "ann@example.org", "--upload-file"];
    curl(&[&[&submissions, "--user", &bob][..], &upload, &[file.to_str().unwrap()]].concat());

    let imaps = format!("imaps://localhost:{}", server.port("imaps"));
    let listed = curl(&[&imaps, "--user", &ann]);
    for mailbox in ["INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"] {
        assert!(listed.contains(mailbox), "{listed}");
    }
    let message = curl(&[&format!("{imaps}/INBOX;UID=1"), "--user", &ann]);
    assert!(message.contains("Sent with curl: ünïcode."), "{message}");
    let found = curl(&[&format!("{imaps}/INBOX?SUBJECT%20curl"), "--user", &ann]);
    assert!(found.contains("SEARCH 1"), "{found}");
    // curl uploads to a mailbox by APPEND.
    curl(&[&format!("{imaps}/Drafts"), "--user", &ann, "--upload-file", file.to_str().unwrap()]);
    let draft = curl(&[&format!("{imaps}/Drafts;UID=1"), "--user", &ann]);
    assert!(draft.ends_with("ünïcode.\r\n"), "{draft}");

    let pop3s = format!("pop3s://localhost:{}", server.port("pop3s"));
    assert!(curl(&[&pop3s, "--user", &ann]).starts_with("1 "), "POP3 LIST");
    assert_eq!(curl(&[&format!("{pop3s}/1"), "--user", &ann]), message);
    // STARTTLS and STLS as well.
    let imap = format!("imap://localhost:{}/INBOX;UID=1", server.port("imap"));
    assert_eq!(curl(&[&imap, "--ssl-reqd", "--user", &ann]), message);
    let pop3 = format!("pop3://localhost:{}/1", server.port("pop3"));
    assert_eq!(curl(&[&pop3, "--ssl-reqd", "--user", &ann]), message);
}

#[test]
fn curl_trusts_the_certificate_by_address_and_by_name() {
    let server = Server::start();
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("imaps://{host}:{}", server.port("imaps"));
        let user = format!("ann@example.org:{}", Server::password("ann"));
        succeed(Command::new("curl").args(["-sS", "--cacert"]).arg(server.ca()).args([&url, "--user", &user]), b"");
    }
}

#[test]
fn msmtp_submits() {
    let server = Server::start();
    let config = server.path("msmtprc");
    let text = format!(
        "account default\nhost localhost\nport {}\ntls on\ntls_starttls on\ntls_trust_file {}\nauth on\n\
         user ann@example.org\npassword \"{}\"\nfrom ann@example.org\n",
        server.port("submission"),
        server.ca().display(),
        Server::password("ann")
    );
    write_private(&config, &text);
    let message = b"To: cleo@example.org\nSubject: from msmtp\n\n.a line that begins with a dot\n.\n";
    succeed(Command::new("msmtp").arg("-C").arg(&config).arg("cleo@example.org"), message);
    let message = fetch_by_subject(&server, "cleo", "from msmtp");
    assert!(message.contains("\n.a line that begins with a dot\n.\n"), "{message}");
    // RFC 6409 8: submission adds what is missing.
    assert!(message.contains("\nDate: ") && message.contains("\nMessage-ID: <"), "{message}");
}

#[test]
fn mutt_sends_and_reads() {
    let server = Server::start();
    let config = server.path("muttrc");
    let text = format!(
        "set from=ann@example.org\nset realname=Ann\nset ssl_force_tls=yes\nset ssl_starttls=yes\n\
         set certificate_file={ca}\nset smtp_url=\"smtp://ann@example.org@localhost:{smtp}/\"\n\
         set smtp_pass=\"{password}\"\nset imap_user=ann@example.org\nset imap_pass=\"{password}\"\n\
         set folder=imaps://localhost:{imaps}/\nset spoolfile=+INBOX\nset record=+Sent\nset copy=yes\n\
         set header_cache=\"\"\nset confirmappend=no\nset quit=yes\nset wait_key=no\nset mail_check=1\nset sleep_time=0\n",
        ca = server.ca().display(),
        smtp = server.port("submission"),
        imaps = server.port("imaps"),
        password = Server::password("ann"),
    );
    write_private(&config, &text);
    let mutt = |command: &mut Command| {
        command.env("HOME", server.path("")).env("TERM", "vt100");
        succeed(command, b"written with mutt\n")
    };
    mutt(Command::new("mutt").arg("-F").arg(&config).args(["-s", "from mutt", "ann@example.org"]));
    // The copy in Sent came by APPEND.
    let mut imap = server.connect("imap");
    imap.imap_login("ann");
    assert!(imap.imap("STATUS Sent (MESSAGES)")[0].contains("MESSAGES 1"));

    // Reading needs a terminal: `script` provides one. Open the message, save its text, flag it, leave.
    let saved = server.path("saved.txt");
    let keys = format!(
        "<display-message><exit><pipe-message>cat >{}<enter><flag-message><sync-mailbox><quit>",
        saved.display()
    );
    let line = format!("mutt -F {} -e 'push \"{keys}\"'", config.display());
    mutt(Command::new("script").args(["-qefc", &line, "/dev/null"]));
    let text = std::fs::read_to_string(&saved).unwrap();
    assert!(text.contains("written with mutt") && text.contains("Subject: from mutt"), "{text}");
    imap.imap("SELECT INBOX");
    let flags = imap.imap("FETCH 1 (FLAGS)").join("\n");
    assert!(flags.contains("\\Flagged") && flags.contains("\\Seen"), "{flags}");
}

#[test]
fn mbsync_synchronises_both_ways() {
    let server = Server::start();
    for number in 1..=5 {
        let port = server.port("smtp").to_string();
        let subject = format!("Subject: number {number}");
        let arguments = ["--to", "ann@example.org", "--from", "z@w.invalid", "--header", &subject];
        succeed(Command::new("swaks").args(["--server", "127.0.0.1", "--port", &port]).args(arguments), b"");
    }
    let config = server.path("mbsyncrc");
    let maildir = server.path("maildir");
    std::fs::create_dir(&maildir).unwrap();
    let text = format!(
        "IMAPAccount a\nHost localhost\nPort {}\nUser ann@example.org\nPass \"{}\"\nSSLType IMAPS\nCertificateFile {}\n\n\
         IMAPStore far\nAccount a\n\nMaildirStore near\nPath {m}/\nInbox {m}/INBOX\nSubFolders Verbatim\n\n\
         Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nExpunge Both\nSyncState *\n",
        server.port("imaps"),
        Server::password("ann"),
        server.ca().display(),
        m = maildir.display()
    );
    write_private(&config, &text);
    let sync = || succeed(Command::new("mbsync").arg("-c").arg(&config).arg("-a").env("HOME", server.path("")), b"");
    sync();
    let inbox = maildir.join("INBOX");
    assert_eq!(files(&inbox.join("new")) + files(&inbox.join("cur")), 5);

    // Here: one read, one deleted, one new. There: one more flagged.
    let mut local: Vec<_> = std::fs::read_dir(inbox.join("new")).unwrap().map(|entry| entry.unwrap().path()).collect();
    local.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().split(":2,").next().unwrap().to_owned();
    std::fs::rename(&local[0], inbox.join("cur").join(format!("{}:2,S", name(&local[0])))).unwrap();
    std::fs::rename(&local[1], inbox.join("cur").join(format!("{}:2,T", name(&local[1])))).unwrap();
    std::fs::write(maildir.join("Drafts/cur/1.1.local:2,D"), "Subject: made here\n\nA draft.\n").unwrap();
    let mut imap = server.connect("imap");
    imap.imap_login("ann");
    imap.imap("SELECT INBOX");
    imap.imap("STORE 5 +FLAGS (\\Flagged)");
    sync();
    let changes = imap.imap("NOOP").join("\n");
    assert!(changes.contains("* 2 EXPUNGE"), "{changes}");
    assert!(imap.imap("FETCH 1 (FLAGS)").join("\n").contains("\\Seen"));
    assert!(imap.imap("STATUS Drafts (MESSAGES)")[0].contains("MESSAGES 1"));
    let flagged = |folder: &Path| {
        std::fs::read_dir(folder).unwrap().any(|entry| entry.unwrap().file_name().to_str().unwrap().ends_with(":2,F"))
    };
    assert!(flagged(&inbox.join("cur")), "the flag set on the server");
    // A third run has nothing left to do.
    let mut modseq = || imap.imap("STATUS INBOX (HIGHESTMODSEQ)").into_iter().find(|line| line.starts_with("* STATUS"));
    let before = modseq();
    sync();
    assert_eq!(modseq(), before);
}

#[test]
fn fetchmail_empties_the_maildrop() {
    let server = Server::start();
    let port = server.port("smtp").to_string();
    for _ in 0..3 {
        let arguments = ["--to", "ann@example.org", "--from", "z@w.invalid", "--body", "for fetchmail"];
        succeed(Command::new("swaks").args(["--server", "127.0.0.1", "--port", &port]).args(arguments), b"");
    }
    let config = server.path("fetchmailrc");
    let got = server.path("got.mbox");
    let text = format!(
        "poll localhost service {} protocol pop3 username \"ann@example.org\" password \"{}\" ssl sslcertck \
         sslcertfile {} no rewrite mda \"cat >>{}\"\n",
        server.port("pop3s"),
        Server::password("ann"),
        server.ca().display(),
        got.display()
    );
    write_private(&config, &text);
    let mut fetchmail = Command::new("fetchmail");
    fetchmail.env("HOME", server.path("")).env("FETCHMAILHOME", server.path(""));
    succeed(fetchmail.arg("-f").arg(&config).args(["--nodetach", "--nosyslog"]), b"");
    assert_eq!(std::fs::read_to_string(&got).unwrap().matches("for fetchmail").count(), 3);
    let mut imap = server.connect("imap");
    imap.imap_login("ann");
    assert!(imap.imap("STATUS INBOX (MESSAGES)")[0].contains("MESSAGES 0"));
}

#[test]
fn postfix_relays_to_us() {
    assert!(nix::unistd::geteuid().is_root(), "Postfix starts only as root: run this test as root");
    let server = Server::start();
    let folder = server.path("postfix");
    for part in ["config", "spool", "data"] {
        std::fs::create_dir_all(folder.join(part)).unwrap();
    }
    succeed(Command::new("chmod").arg("755").arg(server.path("")), b"");
    succeed(Command::new("chown").arg("postfix").arg(folder.join("data")), b"");
    let main = format!(
        "compatibility_level = 3.6\nqueue_directory = {f}/spool\ndata_directory = {f}/data\nmyhostname = peer.invalid\n\
         mydestination =\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmaillog_file = {f}/log\n\
         maillog_file_prefixes = {f}\nrelayhost = [127.0.0.1]:{port}\nsmtp_tls_security_level = encrypt\nalias_maps =\n",
        f = folder.display(),
        port = server.port("smtp")
    );
    std::fs::write(folder.join("config/main.cf"), main).unwrap();
    // Debian's master.cf without its SMTP listener: this instance only sends.
    let master = std::fs::read_to_string("/usr/share/postfix/master.cf.dist").unwrap();
    let master: String =
        master.lines().filter(|line| !line.starts_with("smtp      inet")).map(|l| format!("{l}\n")).collect();
    std::fs::write(folder.join("config/master.cf"), master.replace("-       -       y ", "-       -       n "))
        .unwrap();
    let postfix =
        |verb: &str| succeed(Command::new("/usr/sbin/postfix").arg("-c").arg(folder.join("config")).arg(verb), b"");
    postfix("start");
    let lines: String = (0..2000).map(|n| format!("{n} a line of a message that Postfix hands over\n")).collect();
    let mail = format!("From: bob@elsewhere.invalid\nTo: ann@{DOMAIN}\nSubject: by Postfix\n\n{lines}");
    let sendmail = |to: &[&str]| {
        let mut command = Command::new("/usr/sbin/sendmail");
        succeed(
            command.arg("-C").arg(folder.join("config")).args(["-f", "bob@elsewhere.invalid"]).args(to),
            mail.as_bytes(),
        )
    };
    sendmail(&["ann@example.org", "bob@example.org"]);
    let message = eventually("Postfix to deliver", || {
        Some(fetch_by_subject(&server, "bob", "by Postfix")).filter(|message| !message.is_empty())
    });
    postfix("stop");
    let log = std::fs::read_to_string(folder.join("log")).unwrap();
    assert!(message.contains("1999 a line"), "{message}\n{log}");
    assert!(message.contains("with ESMTPS"), "{message}");
    assert!(log.contains("status=sent") && !log.contains("status=deferred"), "{log}");
}

fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

/// Programs refuse configuration with passwords that others can read.
fn write_private(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
}
