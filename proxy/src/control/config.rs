//! Where the controller is, and who this process is to it.

use std::path::PathBuf;

use isthmus_core::id::{SpiffeId, TrustDomain};

/// What the controller's client is told at its start. [`Config::new`] fills in the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the controller serves, `host:port`.
    pub control_addr: String,
    /// The identity that the controller must show.
    pub controller_id: SpiffeId,
    /// This mesh's trust domain.
    pub trust_domain: TrustDomain,
    /// Roots of the trust domain to begin with, PEM.
    pub trust_bundle: String,
    /// File to keep the roots in, so that a process that starts again in its pod has the newest; `None` for none.
    pub trust_file: Option<PathBuf>,
    /// File with the projected ServiceAccount token; read anew for every certificate, because the kubelet rotates it.
    pub token_file: PathBuf,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// `SO_MARK` of the socket that the controller is dialled with. Needs CAP_NET_ADMIN or CAP_NET_RAW.
    pub socket_mark: Option<u32>,
}

/// A value of the configuration can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {value:?}: {reason}")]
pub struct Invalid {
    /// The field of [`Config`].
    pub field: &'static str,
    /// What it holds.
    pub value: String,
    /// What is wrong, and what would be right.
    pub reason: &'static str,
}

impl Config {
    /// With every optional part at its default.
    pub fn new(control_addr: impl Into<String>, controller_id: SpiffeId, trust_domain: TrustDomain) -> Self {
        Self {
            control_addr: control_addr.into(),
            controller_id,
            trust_domain,
            trust_bundle: String::new(),
            trust_file: None,
            token_file: "/var/run/secrets/isthmus/token".into(),
            namespace: String::new(),
            pod: String::new(),
            socket_mark: None,
        }
    }

    /// Is it complete?
    pub fn check(&self) -> Result<(), Invalid> {
        let invalid = |field, value: &str, reason| Err(Invalid { field, value: value.to_owned(), reason });
        let addr = self.control_addr.rsplit_once(':');
        match () {
            () if addr.is_none_or(|(host, port)| host.is_empty() || port.parse::<u16>().is_err()) => {
                invalid("control_addr", &self.control_addr, "must be host:port")
            }
            () if self.namespace.is_empty() => invalid("namespace", &self.namespace, "the pod's namespace is needed"),
            () if self.pod.is_empty() => invalid("pod", &self.pod, "the pod's name is needed"),
            () => Ok(()),
        }
    }
}
