//! The lines of a tap.

use http::{Request, header::WARNING};
use http_body_util::{BodyExt, Limited};
use kube::{Client, client::Body};

use super::Fault;
use crate::views::api::clean;

/// Longest line, and longest error.
const LONGEST: usize = 64 << 10;

/// An open tap.
pub(super) struct Stream {
    body: Body,
    held: Vec<u8>,
}

impl Stream {
    pub(super) async fn open(client: Client, path: &str) -> Result<Self, Fault> {
        let request = Request::get(path).header("accept", "application/json").body(Body::empty())?;
        let response = client.send(request).await?;
        let status = response.status();
        if status.is_success() {
            for warning in response.headers().get_all(WARNING) {
                eprintln!("isthmus: {}", clean(text_of(warning.to_str().unwrap_or_default())));
            }
            return Ok(Self { body: response.into_body(), held: Vec::new() });
        }
        let text = Limited::new(response.into_body(), LONGEST).collect().await;
        let text = text.map_err(|error| Fault::CutOff(error.to_string()))?.to_bytes();
        Err(Fault::of(status, &String::from_utf8_lossy(&text)))
    }

    /// The next line that says something; `None` when the tap is over.
    pub(super) async fn line(&mut self) -> Result<Option<String>, Fault> {
        loop {
            while let Some(line) = next(&mut self.held) {
                if !line.trim().is_empty() {
                    return Ok(Some(line));
                }
            }
            if self.held.len() > LONGEST {
                return Err(Fault::CutOff(format!("a line of more than {LONGEST} bytes")));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => self.held.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
                Some(Err(error)) => return Err(Fault::CutOff(error.to_string())),
            }
        }
    }
}

/// Takes the first whole line.
pub(super) fn next(held: &mut Vec<u8>) -> Option<String> {
    let end = held.iter().position(|byte| *byte == b'\n')?;
    let line: Vec<u8> = held.drain(..=end).collect();
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// Of a `Warning` header, RFC 7234 §5.5: `299 - "text"`.
pub(super) fn text_of(warning: &str) -> &str {
    warning.split_once('"').map_or(warning, |(_, text)| text.trim_end_matches('"'))
}
