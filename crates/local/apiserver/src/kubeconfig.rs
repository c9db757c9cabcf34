//! What `kubectl` reads.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::pki::Pki;

pub(crate) fn render(pki: &Pki, server_url: &str) -> String {
    let data = |pem: &str| BASE64_STANDARD.encode(pem);
    let admin = pki.admin();
    // Quoted as JSON, which is YAML too: the only text from outside.
    let server = json!(server_url);
    format!(
        "apiVersion: v1
kind: Config
current-context: isthmus
clusters:
- name: isthmus
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: admin
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: isthmus
  context:
    cluster: isthmus
    user: admin
",
        ca = data(pki.ca_pem()),
        certificate = data(&admin.certificate),
        key = data(&admin.key),
    )
}
