//! IPv6 of an interface: the switches of the kernel, which speaks to routers by itself (RFC 4861, RFC 4862).
//!
//! Owns nothing. See ip-sysctl.rst of the kernel for the meaning of the files. Static addresses are left to
//! [`super::link`]; name servers that routers advertise (RFC 8106) are not used.

use super::settings::Ipv6;
use std::io;
use std::path::Path;

/// Sets the switches of one interface; to be done before it is brought up.
///
/// # Errors
/// As the kernel says. That it has no IPv6 at all is no error.
pub fn configure(root: &Path, interface: &str, ipv6: Ipv6) -> io::Result<()> {
    let folder = root.join("proc/sys/net/ipv6/conf").join(interface);
    if !folder.exists() {
        return Ok(());
    }
    let (disable_ipv6, accept_ra, autoconf) = match ipv6 {
        Ipv6::Auto => ("0", "1", "1"),
        Ipv6::Off => ("1", "0", "0"),
        // Routes as the routers say, but no address of their making.
        Ipv6::Static(_) => ("0", "1", "0"),
    };
    std::fs::write(folder.join("accept_ra"), accept_ra)?;
    std::fs::write(folder.join("autoconf"), autoconf)?;
    std::fs::write(folder.join("disable_ipv6"), disable_ipv6)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn switches() {
        let root = tempfile::tempdir().unwrap();
        configure(root.path(), "eth0", Ipv6::Auto).unwrap();
        let folder = root.path().join("proc/sys/net/ipv6/conf/eth0");
        std::fs::create_dir_all(&folder).unwrap();
        let fixed = Ipv6::Static("2001:db8::7/64".parse().unwrap());
        for (ipv6, values) in [(Ipv6::Auto, ["0", "1", "1"]), (Ipv6::Off, ["1", "0", "0"]), (fixed, ["0", "1", "0"])] {
            configure(root.path(), "eth0", ipv6).unwrap();
            let found = ["disable_ipv6", "accept_ra", "autoconf"]
                .map(|file| std::fs::read_to_string(folder.join(file)).unwrap());
            assert_eq!(found, values);
        }
    }
}
