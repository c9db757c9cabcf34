//! Texts of invitations.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::invitation::{Invitation, PREFIX};

/// Any text, and a text that was copied well, of any content. What was read is written and read back as the same.
pub fn invitation(bytes: &[u8]) {
    let sum = digest(&SHA256, bytes);
    let copied = [bytes, sum.as_ref().get(..8).unwrap_or_default()].concat();
    let texts = [String::from_utf8_lossy(bytes).into_owned(), format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(copied))];
    for text in texts {
        let Ok(read) = Invitation::parse(&text) else { continue };
        let written = read.to_text();
        let again = Invitation::parse(written.expose()).unwrap();
        assert_eq!((again.id, &again.terms), (read.id, &read.terms));
        assert_eq!(again.hub_secret().expose(), read.hub_secret().expose());
    }
}
