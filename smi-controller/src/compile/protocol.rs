//! What a port's name and `appProtocol` tell of its protocol.

use isthmus_core::destination::ProtocolHint;

/// `appProtocol` first, then the part of the name before a dash. What isn't known is detected: so is `http` in a
/// name, which people write on HTTP/1 and HTTP/2 ports alike.
pub(super) fn hint(name: &str, app_protocol: Option<&str>) -> ProtocolHint {
    let prefix = name.split('-').next().unwrap_or_default();
    match app_protocol.map(str::to_ascii_lowercase).as_deref() {
        None => by_word(prefix),
        Some("kubernetes.io/h2c") => ProtocolHint::Http2,
        Some("kubernetes.io/ws") => ProtocolHint::Http1,
        Some("kubernetes.io/wss") => ProtocolHint::Opaque,
        Some(word) => by_word(word),
    }
}

fn by_word(word: &str) -> ProtocolHint {
    match word {
        "grpc" | "h2c" | "http2" => ProtocolHint::Http2,
        "amqp" | "https" | "kafka" | "ldap" | "memcached" | "mongo" | "mongodb" | "mqtt" | "mysql" | "nats"
        | "postgres" | "postgresql" | "redis" | "smtp" | "ssh" | "tcp" | "tls" => ProtocolHint::Opaque,
        _ => ProtocolHint::Detect,
    }
}
