//! The parts of a TLS ClientHello (RFC 8446 §4.1.2) that tell mesh TLS from the application's own, and where it is going.
//!
//! Extensions that aren't known (GREASE, ECH) are passed over. Nothing is decrypted.

/// Record type of handshake messages.
pub const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const HOST_NAME: u8 = 0;

/// What a ClientHello says that matters here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientHello {
    /// Drawn anew for every connection: the same one twice is the same connection, come round.
    pub random: [u8; 32],
    /// The host name of SNI, lower-case.
    pub server_name: Option<String>,
    /// The protocols offered inside.
    pub alpn: Vec<Vec<u8>>,
}

/// Why there is no ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It may come with more bytes.
    Incomplete,
    /// It never will.
    Malformed,
}

/// Reads the ClientHello at the beginning of a stream, from one or several records.
pub fn parse(stream: &[u8]) -> Result<ClientHello, Unread> {
    let mut message = Vec::new();
    let mut rest = Reader(stream);
    loop {
        let kind = rest.u8().ok_or(Unread::Incomplete)?;
        let major = rest.u8().ok_or(Unread::Incomplete)?;
        if kind != HANDSHAKE || major != 3 {
            return Err(Unread::Malformed);
        }
        rest.u8().ok_or(Unread::Incomplete)?;
        let length = rest.u16().ok_or(Unread::Incomplete)?;
        if length == 0 {
            return Err(Unread::Malformed);
        }
        let whole = rest.take(usize::from(length));
        message.extend_from_slice(whole.unwrap_or(rest.0));
        if let Some(hello) = body(&message)? {
            return read(hello).ok_or(Unread::Malformed);
        }
        whole.ok_or(Unread::Incomplete)?;
    }
}

/// The body of the first handshake message, once all of it is there.
fn body(message: &[u8]) -> Result<Option<Reader<'_>>, Unread> {
    let mut reader = Reader(message);
    match reader.u8() {
        Some(CLIENT_HELLO) => {}
        Some(_) => return Err(Unread::Malformed),
        None => return Ok(None),
    }
    let Some(length) = reader.u24() else { return Ok(None) };
    if length > crate::limits::DETECT_BYTES {
        return Err(Unread::Malformed);
    }
    Ok(reader.take(length).map(Reader))
}

fn read(mut hello: Reader<'_>) -> Option<ClientHello> {
    hello.take(2)?;
    let random = hello.take(32)?.try_into().ok()?;
    let session = hello.u8()?;
    hello.take(session.into())?;
    let suites = hello.u16()?;
    hello.take(suites.into())?;
    let compressions = hello.u8()?;
    hello.take(compressions.into())?;
    let mut found = ClientHello { random, ..ClientHello::default() };
    if hello.0.is_empty() {
        return Some(found);
    }
    let mut extensions = hello.vector()?;
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let mut content = extensions.vector()?;
        match kind {
            SERVER_NAME => {
                let mut names = content.vector()?;
                while !names.0.is_empty() {
                    let kind = names.u8()?;
                    let name = names.vector()?;
                    if kind == HOST_NAME {
                        found.server_name = std::str::from_utf8(name.0).ok().map(str::to_ascii_lowercase);
                    }
                }
            }
            ALPN => {
                let mut protocols = content.vector()?;
                while !protocols.0.is_empty() {
                    let length = protocols.u8()?;
                    found.alpn.push(protocols.take(length.into())?.to_vec());
                }
            }
            _ => {}
        }
    }
    Some(found)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u24(&mut self) -> Option<usize> {
        let high = usize::from(self.u8()?);
        Some(high << 16 | usize::from(self.u16()?))
    }

    /// Bytes behind their 16-bit length.
    fn vector(&mut self) -> Option<Reader<'a>> {
        let length = self.u16()?;
        self.take(length.into()).map(Reader)
    }
}
