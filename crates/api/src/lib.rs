//! The control protocol between proxies and the controller (design §5), the federation protocol between controllers and the
//! hub (design §8), what replicas of a controller tell each other, and what collectors of traces are sent: generated types, their
//! conversions to and from the model, versions, deltas, the listener that knows its peers, and the server that shares encoded
//! messages.

pub mod decode;
pub mod delta;
pub mod encode;
pub mod frame;
pub mod gateway;
pub mod listen;
pub mod server;
pub mod tap;
pub mod telemetry;
pub mod version;

/// Version 1 of the control protocol, generated from `proto/control.proto` by `cargo xtask proto`.
pub mod control {
    /// Messages, clients and servers.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used, clippy::expect_used)]
    pub mod v1 {
        include!("generated/isthmus.control.v1.rs");
    }
}

/// Version 1 of the federation protocol, generated from `proto/federation.proto` by `cargo xtask proto`.
pub mod federation {
    /// Messages, clients and servers.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used, clippy::expect_used)]
    pub mod v1 {
        include!("generated/isthmus.federation.v1.rs");
    }
}

/// What proxies send to a collector of traces, generated from `proto/otlp.proto` by `cargo xtask proto`.
pub mod otlp {
    /// Messages, clients and servers.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used, clippy::expect_used)]
    pub mod v1 {
        include!("generated/opentelemetry.proto.collector.trace.v1.rs");
    }
}

/// Version 1 of what replicas of a controller tell each other, generated from `proto/replica.proto` by `cargo xtask proto`.
pub mod replica {
    /// Messages, clients and servers.
    #[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used, clippy::expect_used)]
    pub mod v1 {
        include!("generated/isthmus.replica.v1.rs");
    }
}

/// Most bytes of one message of the controller.
pub const MAX_MESSAGE_BYTES: usize = 8 << 20;
/// Most bytes of one message of a proxy: a name, a version, a reason in a few words, or some of what it has counted.
pub const MAX_PROXY_MESSAGE_BYTES: usize = 64 << 10;
/// Bytes of a message as it is sent.
pub fn encoded_len(message: &impl prost::Message) -> usize {
    message.encoded_len()
}

/// Most characters of a proxy's reason to refuse a message; longer ones are cut off.
pub const MAX_REASON_CHARS: usize = 500;
