//! The cluster's keys and certificates: made once, kept in a directory if there is one.

mod authority;
mod files;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

pub use authority::KeyPairPem;

use authority::{Authority, Leaf};
use files::Folder;

/// Why the cluster's keys could not be made or read. No variant holds key material.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A certificate could not be made.
    #[error("making the certificate {name:?}: {source}")]
    Issue {
        /// The common name.
        name: String,
        /// Why.
        source: rcgen::Error,
    },
    /// A file is there but holds no usable key or certificate.
    #[error("{}: not a usable PEM key or certificate: delete the directory to have a new CA made", file.display())]
    DamagedFile {
        /// The file.
        file: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Everything that the API server signs with or shows: a CA, its own serving certificate, an administrator's client
/// certificate, the front-proxy CA with its client certificate, and the key of ServiceAccount tokens.
pub struct Pki {
    ca: Authority,
    front_proxy_ca: Authority,
    serving: KeyPairPem,
    admin: KeyPairPem,
    front_proxy: KeyPairPem,
    kubelet_client: KeyPairPem,
    service_account_key: rcgen::KeyPair,
}

impl Pki {
    /// Loads the keys kept in `dir`, making what is missing, or makes all in memory. The serving certificate is made anew
    /// each time, for `names` and `addresses`.
    ///
    /// # Errors
    /// When the directory can't be read or written, or holds something else under one of the file names.
    pub fn load_or_create(dir: Option<&Path>, names: &[String], addresses: &[IpAddr]) -> Result<Self, PkiError> {
        let folder = Folder::open(dir)?;
        let ca = Authority::load_or_create(&folder, "ca", "isthmus-local-ca")?;
        let front_proxy_ca = Authority::load_or_create(&folder, "front-proxy-ca", "isthmus-local-front-proxy-ca")?;
        let service_account_key = folder.key("sa.key")?;
        let serving = ca.issue(&Leaf::server("kube-apiserver", names, addresses))?;
        let admin = ca.issue(&Leaf::client("kubernetes-admin", &["system:masters"]))?;
        let kubelet_client = ca.issue(&Leaf::client("kube-apiserver-kubelet-client", &["system:masters"]))?;
        let front_proxy = front_proxy_ca.issue(&Leaf::client("front-proxy-client", &[]))?;
        Ok(Self { ca, front_proxy_ca, serving, admin, front_proxy, kubelet_client, service_account_key })
    }

    /// The CA that signs serving and client certificates, as PEM.
    pub fn ca_pem(&self) -> &str {
        self.ca.certificate_pem()
    }

    /// The CA that aggregated API servers trust to name users, as PEM.
    pub fn front_proxy_ca_pem(&self) -> &str {
        self.front_proxy_ca.certificate_pem()
    }

    /// The client certificate that the API server shows to aggregated API servers.
    pub fn front_proxy(&self) -> &KeyPairPem {
        &self.front_proxy
    }

    /// The administrator's client certificate (`kubernetes-admin`, group `system:masters`).
    pub fn admin(&self) -> &KeyPairPem {
        &self.admin
    }

    /// The client certificate that the API server shows to kubelets.
    pub fn kubelet_client(&self) -> &KeyPairPem {
        &self.kubelet_client
    }

    /// A serving certificate for another part of the cluster, such as a kubelet.
    ///
    /// # Errors
    /// [`PkiError::Issue`] when a name is not a valid DNS name.
    pub fn issue_server(&self, name: &str, names: &[String], addresses: &[IpAddr]) -> Result<KeyPairPem, PkiError> {
        self.ca.issue(&Leaf::server(name, names, addresses))
    }

    /// A client certificate for the user `name` in `groups`.
    ///
    /// # Errors
    /// [`PkiError::Issue`].
    pub fn issue_client(&self, name: &str, groups: &[&str]) -> Result<KeyPairPem, PkiError> {
        self.ca.issue(&Leaf::client(name, groups))
    }

    pub(crate) fn serving(&self) -> &KeyPairPem {
        &self.serving
    }

    pub(crate) fn service_account_key_der(&self) -> Vec<u8> {
        self.service_account_key.serialize_der()
    }
}

impl std::fmt::Debug for Pki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pki").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
