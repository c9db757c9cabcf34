//! A caller, a callee and the four doors that raw bytes can knock at.

use isthmus_core::inbound::{InboundPolicy, PolicyMode};
use isthmus_identity::MeshTls;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{
    client,
    control::Script,
    mesh::{Pod, Spec, allow, id, service},
    recorder::{Recorder, Seen},
    soon,
};

pub const VIP: (&str, u16) = ("10.43.7.8", 80);
pub const PORT: u16 = 8080;

pub struct Rig {
    pub script: Script,
    pub caller: Pod,
    pub callee: Pod,
    pub tls: MeshTls,
}

/// Where bytes come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// From the application, redirected.
    Outbound,
    /// From the application, to the explicit proxy.
    Explicit,
    /// To the callee, in plaintext.
    Plaintext,
    /// To the callee, inside mesh TLS.
    Mesh,
}

impl Door {
    pub const ALL: [Self; 4] = [Self::Outbound, Self::Explicit, Self::Plaintext, Self::Mesh];
    /// Those that take origin-form.
    pub const DIRECT: [Self; 3] = [Self::Outbound, Self::Plaintext, Self::Mesh];
}

pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Io for S {}

impl Rig {
    /// The callee lets everybody in.
    pub async fn open() -> Self {
        Self::start(InboundPolicy { mode: PolicyMode::Permissive, ..InboundPolicy::default() }, |_| {}).await
    }

    pub async fn start(policy: InboundPolicy, edit: fn(&mut isthmus_proxy::Config)) -> Self {
        let script = Script::start().await;
        script.set_policy("callee", policy);
        script.set_policy("caller", allow(&[]));
        let caller = Pod::launch(&script, Spec { name: "caller", ports: &[], calls: &[VIP], edit });
        let callee = Pod::launch(&script, Spec { name: "callee", ports: &[PORT], calls: &[], edit });
        tokio::join!(caller.ready(), callee.ready());
        for host in [VIP.0, "web"] {
            script.set_destination(host, 80, service(&[callee.endpoint(PORT)], None));
        }
        Self { tls: script.tls(id("caller").as_str()), script, caller, callee }
    }

    /// The application that keeps what it is sent.
    pub async fn recorder(&self) -> Recorder {
        Recorder::start((self.callee.app, PORT).into()).await
    }

    pub async fn connect(&self, door: Door) -> Box<dyn Io> {
        let inbound = (self.callee.ip, PORT).into();
        let plain = async |addr| Box::new(TcpStream::connect(addr).await.unwrap());
        match door {
            Door::Outbound => plain(self.caller.call(0)).await,
            Door::Explicit => plain(self.caller.explicit()).await,
            Door::Plaintext => plain(inbound).await,
            Door::Mesh => Box::new(self.mesh("isthmus-http/1.1").await),
        }
    }

    pub async fn mesh(&self, alpn: &str) -> impl Io + use<> {
        let inbound = (self.callee.ip, PORT).into();
        soon("a handshake", client::mesh_tls(inbound, &self.tls, alpn, &self.callee.id)).await.unwrap()
    }

    /// Sends bytes, and hears all that comes back until the proxy closes. `shut` ends this side at once.
    pub async fn send(&self, door: Door, bytes: &[u8], shut: bool) -> String {
        let mut io = self.connect(door).await;
        // The proxy may have closed before it had read all.
        let _ = io.write_all(bytes).await;
        if shut {
            let _ = io.shutdown().await;
        }
        let mut answer = Vec::new();
        let _ = soon(&format!("the end of {}", bytes.escape_ascii()), io.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into()
    }

    /// A well-behaved request through the same door, as a mark: whatever was smuggled before it has arrived before it.
    pub async fn mark(&self, door: Door, recorder: &Recorder) -> Vec<Seen> {
        let target = if door == Door::Explicit { "http://web/mark" } else { "/mark" };
        let answer = self
            .send(door, format!("GET {target} HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n").as_bytes(), false)
            .await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{door:?}: {answer}");
        let mut seen = recorder.take();
        let mark = seen.pop().unwrap();
        assert_eq!(mark.line, "GET /mark HTTP/1.1", "{door:?}");
        seen
    }
}

/// The status of the first answer; empty when there was none.
pub fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}
