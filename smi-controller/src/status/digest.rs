//! Short names from long texts.

use std::fmt::Write;

use aws_lc_rs::digest::{Context, SHA256};

/// 16 hex digits for these texts, in this order.
pub(super) fn digest(texts: &[&str]) -> String {
    let mut context = Context::new(&SHA256);
    for text in texts {
        context.update(&text.len().to_be_bytes());
        context.update(text.as_bytes());
    }
    let mut hex = String::new();
    for byte in context.finish().as_ref().iter().take(8) {
        // Writing to a String can't fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
