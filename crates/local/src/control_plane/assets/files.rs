//! Files that the programs read: keys, certificates, and the way into the cluster.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use isthmus_local_apiserver::{KeyPairPem, Pki};
use serde_json::json;

use super::AssetError;
use crate::cluster::Error;

#[derive(Debug)]
pub(super) struct Files {
    /// Nobody else may look into it.
    pub(super) directory: PathBuf,
    pub(super) pki_dir: PathBuf,
    pub(super) etcd_dir: PathBuf,
    pub(super) egress_socket: PathBuf,
}

impl Files {
    /// Makes the directory anew.
    pub(super) fn new(state_dir: &Path, pki_dir: Option<&Path>, data_dir: Option<&Path>) -> Result<Self, AssetError> {
        let directory = state_dir.join("control-plane");
        let failed = |source| AssetError::File { file: directory.clone(), source };
        if directory.exists() {
            fs::remove_dir_all(&directory).map_err(failed)?;
        }
        DirBuilder::new().mode(0o700).create(&directory).map_err(failed)?;
        Ok(Files {
            pki_dir: pki_dir.map_or_else(|| directory.join("pki"), Path::to_owned),
            etcd_dir: data_dir.map_or_else(|| directory.join("etcd"), |data| data.join("etcd")),
            egress_socket: directory.join("egress.sock"),
            directory,
        })
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    /// The key that signs tokens; [`Pki`] keeps it there.
    pub(super) fn token_key(&self) -> String {
        self.pki_dir.join("sa.key").display().to_string()
    }

    pub(super) fn write(&self, pki: &Pki, names: &[String], addresses: &[IpAddr]) -> Result<(), Error> {
        self.put("ca.crt", pki.ca_pem())?;
        self.put("front-proxy-ca.crt", pki.front_proxy_ca_pem())?;
        self.pair("apiserver", &pki.issue_server("kube-apiserver", names, addresses)?)?;
        self.pair("etcd", &pki.issue_server("etcd", names, addresses)?)?;
        self.pair("etcd-client", &pki.issue_client("kube-apiserver-etcd-client", &[])?)?;
        self.pair("kubelet-client", pki.kubelet_client())?;
        self.pair("front-proxy", pki.front_proxy())?;
        self.put("egress.yaml", &self.egress())?;
        Ok(())
    }

    /// Connections to pods, Services and kubelets go through the socket.
    fn egress(&self) -> String {
        json!({
            "apiVersion": "apiserver.k8s.io/v1beta1", "kind": "EgressSelectorConfiguration",
            "egressSelections": [{
                "name": "cluster",
                "connection": {
                    "proxyProtocol": "HTTPConnect",
                    "transport": { "uds": { "udsName": self.egress_socket } },
                },
            }],
        })
        .to_string()
    }

    fn pair(&self, name: &str, pair: &KeyPairPem) -> Result<(), AssetError> {
        self.put(&format!("{name}.crt"), &pair.certificate)?;
        self.put(&format!("{name}.key"), &pair.key)
    }

    fn put(&self, name: &str, text: &str) -> Result<(), AssetError> {
        let file = self.directory.join(name);
        let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
        open.and_then(|mut open| open.write_all(text.as_bytes())).map_err(|source| AssetError::File { file, source })
    }
}

/// The administrator's kubeconfig; JSON is YAML too.
pub(super) fn kubeconfig(pki: &Pki, url: &str) -> String {
    let data = |pem: &str| BASE64_STANDARD.encode(pem);
    let admin = pki.admin();
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "isthmus",
        "clusters": [{ "name": "isthmus", "cluster": { "server": url, "certificate-authority-data": data(pki.ca_pem()) } }],
        "users": [{ "name": "admin", "user": {
            "client-certificate-data": data(&admin.certificate), "client-key-data": data(&admin.key),
        } }],
        "contexts": [{ "name": "isthmus", "context": { "cluster": "isthmus", "user": "admin" } }],
    })
    .to_string()
}
