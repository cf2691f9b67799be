//! The key that signs updates. Its public half goes into every image; a card takes updates signed with it and no others.

use crate::step::{Failure, at, image_folder, write_whole};
use minisign::{KeyPair, PublicKeyBox};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The public key's file unless another is named.
#[must_use]
pub fn public_file() -> PathBuf {
    image_folder().join("update.pub")
}

/// The secret key's file.
#[must_use]
pub fn secret_file() -> PathBuf {
    image_folder().join("update.key")
}

/// Makes a new pair of keys; a password for the secret one is asked for if `encrypted`.
///
/// # Errors
/// When there is a key already, which is never overwritten.
pub fn create(encrypted: bool) -> Result<(), Failure> {
    create_in(&image_folder(), encrypted)?;
    println!("{}", keep_it());
    Ok(())
}

fn create_in(folder: &Path, encrypted: bool) -> Result<(), Failure> {
    let (public, secret) = (folder.join("update.pub"), folder.join("update.key"));
    for file in [&public, &secret] {
        if file.exists() {
            return Err(Failure(format!(
                "{} is there already. Cards with its public half take no updates signed with another key; move it away \
                 yourself if you really want a new one.",
                file.display()
            )));
        }
    }
    let failed = |error: minisign::PError| Failure(format!("update key: {error}"));
    let pair =
        if encrypted { KeyPair::generate_encrypted_keypair(None) } else { KeyPair::generate_unencrypted_keypair() };
    let pair = pair.map_err(failed)?;
    let secret_text = pair.sk.to_box(Some("Pillarbox update key: keep secret")).map_err(failed)?.into_string();
    std::fs::create_dir_all(folder).map_err(at(folder))?;
    let mut file =
        std::fs::File::options().write(true).create_new(true).mode(0o600).open(&secret).map_err(at(&secret))?;
    file.write_all(secret_text.as_bytes()).and_then(|()| file.sync_all()).map_err(at(&secret))?;
    write_whole(&public, pair.pk.to_box().map_err(failed)?.into_string().as_bytes())
}

fn keep_it() -> String {
    format!(
        "made a key for signing updates:\n  {}  (secret)\n  {}  (goes into images)\nKeep a copy of both outside of \
         `target`: `cargo clean` deletes them, and without the secret key the cards made now can never be updated, only \
         written anew.",
        secret_file().display(),
        public_file().display()
    )
}

/// The text of the public key for an image, checked. Without a named file the default one is used, and made if it is
/// not there, which `say` tells.
///
/// # Errors
/// When the file is not there or is no minisign public key.
pub fn public_text(named: Option<&Path>, say: impl Fn(&str)) -> Result<String, Failure> {
    let file = match named {
        Some(file) => file.to_owned(),
        None => {
            let file = public_file();
            if !file.exists() {
                create_in(&image_folder(), false)?;
                say(&keep_it());
            }
            file
        }
    };
    let text = std::fs::read_to_string(&file).map_err(at(&file))?;
    PublicKeyBox::from_string(&text)
        .and_then(PublicKeyBox::into_public_key)
        .map_err(|error| Failure(format!("{}: not a minisign public key: {error}", file.display())))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        create_in(folder.path(), false).expect("made");
        let mode = std::fs::metadata(folder.path().join("update.key")).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let failure = create_in(folder.path(), false).expect_err("never overwritten");
        assert!(failure.0.contains("is there already"));
        public_text(Some(&folder.path().join("update.pub")), |_| ()).expect("a public key");
        let secret = folder.path().join("update.key");
        assert!(public_text(Some(&secret), |_| ()).is_err());
    }
}
