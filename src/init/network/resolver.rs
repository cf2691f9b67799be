//! The resolver's file, resolv.conf(5): which name servers the C library of every process asks.
//!
//! Owns the text it has written last: at most [`NAME_SERVERS_MAX`] lines. The file is replaced at one stroke, so nobody
//! reads half of it. Names are resolved by others.

use crate::limits::NAME_SERVERS_MAX;
use core::fmt::Write as _;
use core::net::IpAddr;
use std::io;
use std::path::PathBuf;

/// The file and what is in it.
#[derive(Debug)]
pub struct Resolver {
    file: PathBuf,
    written: Option<String>,
}

impl Resolver {
    /// Nothing is written yet.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Self { file, written: None }
    }

    /// Writes these servers, best first, unless the file says so already.
    ///
    /// # Errors
    /// If the file cannot be replaced; it is then as before.
    pub fn write(&mut self, servers: impl IntoIterator<Item = IpAddr>) -> io::Result<()> {
        let text = render(servers);
        if self.written.as_ref() == Some(&text) {
            return Ok(());
        }
        // In the same folder: rename(2) works within one file system.
        let mut new = self.file.clone().into_os_string();
        new.push(".new");
        std::fs::write(&new, &text)?;
        std::fs::rename(&new, &self.file)?;
        self.written = Some(text);
        Ok(())
    }
}

fn render(servers: impl IntoIterator<Item = IpAddr>) -> String {
    let mut known: heapless::Vec<IpAddr, NAME_SERVERS_MAX> = heapless::Vec::new();
    let mut text = "# Written by pillarbox; changes are lost.\n".to_owned();
    for server in servers {
        // The servers of the first interface are asked first; what is beyond the third would not be asked.
        if !known.contains(&server) && known.push(server).is_ok() {
            let _ = writeln!(text, "nameserver {server}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_server_once_and_three_at_most() {
        let servers =
            ["10.0.0.1", "10.0.0.1", "2001:db8::53", "10.0.0.2", "10.0.0.3"].map(|text| text.parse().unwrap());
        let text = render(servers);
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(lines, ["nameserver 10.0.0.1", "nameserver 2001:db8::53", "nameserver 10.0.0.2"]);
    }

    #[test]
    fn the_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolv.conf");
        let mut resolver = Resolver::new(file.clone());
        resolver.write(["10.0.0.1".parse().unwrap()]).unwrap();
        assert!(std::fs::read_to_string(&file).unwrap().ends_with("\nnameserver 10.0.0.1\n"));
        resolver.write([]).unwrap();
        assert!(!std::fs::read_to_string(&file).unwrap().contains("nameserver"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Resolver::new("/nowhere/resolv.conf".into()).write([]).is_err());
    }
}
