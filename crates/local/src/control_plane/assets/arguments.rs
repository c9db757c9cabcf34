//! Command lines.

use std::net::Ipv4Addr;

use super::files::Files;

pub(super) struct Arguments<'a> {
    pub(super) files: &'a Files,
    pub(super) port: u16,
    pub(super) etcd_port: u16,
    pub(super) router: Ipv4Addr,
    pub(super) service_cidr: &'a str,
}

impl Arguments<'_> {
    pub(super) fn etcd(&self) -> Vec<String> {
        let url = format!("https://127.0.0.1:{}", self.etcd_port);
        vec![
            format!("--data-dir={}", self.files.etcd_dir.display()),
            format!("--listen-client-urls={url}"),
            format!("--advertise-client-urls={url}"),
            // There are no peers, but it insists on listening for them.
            "--listen-peer-urls=http://localhost:0".to_owned(),
            "--client-cert-auth=true".to_owned(),
            format!("--trusted-ca-file={}", self.files.path("ca.crt")),
            format!("--cert-file={}", self.files.path("etcd.crt")),
            format!("--key-file={}", self.files.path("etcd.key")),
            "--log-level=warn".to_owned(),
        ]
    }

    pub(super) fn api_server(&self) -> Vec<String> {
        let file = |flag: &str, name: &str| format!("--{flag}={}", self.files.path(name));
        let token_key = self.files.token_key();
        vec![
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.port),
            // What the Service `kubernetes` leads to: the relay.
            format!("--advertise-address={}", self.router),
            format!("--etcd-servers=https://127.0.0.1:{}", self.etcd_port),
            file("etcd-cafile", "ca.crt"),
            file("etcd-certfile", "etcd-client.crt"),
            file("etcd-keyfile", "etcd-client.key"),
            file("tls-cert-file", "apiserver.crt"),
            file("tls-private-key-file", "apiserver.key"),
            file("client-ca-file", "ca.crt"),
            file("kubelet-certificate-authority", "ca.crt"),
            file("kubelet-client-certificate", "kubelet-client.crt"),
            file("kubelet-client-key", "kubelet-client.key"),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            file("requestheader-client-ca-file", "front-proxy-ca.crt"),
            "--requestheader-allowed-names=front-proxy-client".to_owned(),
            "--requestheader-username-headers=X-Remote-User".to_owned(),
            "--requestheader-group-headers=X-Remote-Group".to_owned(),
            "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
            file("proxy-client-cert-file", "front-proxy.crt"),
            file("proxy-client-key-file", "front-proxy.key"),
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
            format!("--service-account-key-file={token_key}"),
            format!("--service-account-signing-key-file={token_key}"),
            format!("--service-cluster-ip-range={}", self.service_cidr),
            file("egress-selector-config-file", "egress.yaml"),
            "--authorization-mode=RBAC".to_owned(),
            "--allow-privileged=true".to_owned(),
            // With its cache, and an older etcd, a watch from the version of a list can fail: "Too large resource version".
            "--watch-cache=false".to_owned(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn command_lines_name_the_files() {
        let files = Files {
            directory: "/s/control-plane".into(),
            pki_dir: "/d/pki".into(),
            etcd_dir: "/d/etcd".into(),
            egress_socket: PathBuf::from("/s/control-plane/egress.sock"),
        };
        let arguments = Arguments {
            files: &files,
            port: 7443,
            etcd_port: 7379,
            router: Ipv4Addr::new(10, 42, 0, 1),
            service_cidr: "10.43.0.0/16",
        };
        let has =
            |all: &[String], wanted: &str| assert!(all.iter().any(|argument| argument == wanted), "{wanted}: {all:?}");
        let etcd = arguments.etcd();
        for wanted in ["--data-dir=/d/etcd", "--listen-client-urls=https://127.0.0.1:7379", "--client-cert-auth=true"] {
            has(&etcd, wanted);
        }
        let server = arguments.api_server();
        for wanted in [
            "--secure-port=7443",
            "--bind-address=127.0.0.1",
            "--advertise-address=10.42.0.1",
            "--etcd-servers=https://127.0.0.1:7379",
            "--client-ca-file=/s/control-plane/ca.crt",
            "--service-account-signing-key-file=/d/pki/sa.key",
            "--proxy-client-key-file=/s/control-plane/front-proxy.key",
            "--kubelet-client-certificate=/s/control-plane/kubelet-client.crt",
            "--service-cluster-ip-range=10.43.0.0/16",
            "--egress-selector-config-file=/s/control-plane/egress.yaml",
            "--authorization-mode=RBAC",
        ] {
            has(&server, wanted);
        }
        let flags: std::collections::HashSet<_> =
            server.iter().filter_map(|a| a.split_once('=')).map(|a| a.0).collect();
        assert_eq!(flags.len(), server.len(), "each flag once");
    }
}
