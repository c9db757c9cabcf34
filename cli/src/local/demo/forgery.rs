//! A certificate that one mesh's root has signed for a workload of the other, and what it is worth there.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use isthmus_core::{federation::RemoteName, id::SpiffeId};
use isthmus_identity::{Document, Keypair, MeshTls, Refused, Svid, SvidCell, TrustStore};
use isthmus_k8s::federation::Mesh;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::{Api, Client, ResourceExt, api::ListParams};
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::{CertificateSigningRequestDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use crate::local::mesh::NAMESPACE;

/// Where gateways listen.
const GATEWAY_PORT: u16 = 15443;
const ALPN: &[u8] = b"isthmus-http/1.1";
/// How long the callee may take to answer, or to hang up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer that is looked at, in bytes.
const LONGEST: u64 = 4096;

/// Signs a leaf for `id` with a cluster's root, whatever mesh that ID is of.
pub(super) async fn sign(cluster: &Client, id: &SpiffeId) -> anyhow::Result<Svid> {
    let secrets: Api<Secret> = Api::namespaced(cluster.clone(), NAMESPACE);
    let root = secrets.get("isthmus-ca").await?;
    let entry = |name: &str| {
        let bytes =
            root.data.as_ref().and_then(|data| data.get(name)).with_context(|| format!("isthmus-ca has no {name}"))?;
        anyhow::Ok(String::from_utf8(bytes.0.clone())?)
    };
    let issuer = Issuer::from_ca_cert_pem(&entry("tls.crt")?, KeyPair::from_pem(&entry("tls.key")?)?)?;
    let keypair = Keypair::generate()?;
    let request = CertificateSigningRequestParams::from_der(&CertificateSigningRequestDer::from(keypair.csr()?))?;
    let mut leaf = CertificateParams::default();
    leaf.subject_alt_names = vec![SanType::URI(id.to_string().try_into()?)];
    leaf.use_authority_key_identifier_extension = true;
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = leaf.signed_by(&request.public_key, &issuer)?;
    Ok(Svid::new(vec![leaf.der().clone()], &keypair)?)
}

/// Asks a service by its mesh's gateway in the name of a certificate: the answer's first line, or `refused`.
pub(super) async fn ask(
    mesh: &Client,
    name: &RemoteName,
    callee: SpiffeId,
    svid: Svid,
    path: &str,
) -> anyhow::Result<String> {
    let meshes: Api<Mesh> = Api::all(mesh.clone());
    let own = meshes.get(name.mesh.as_str()).await?;
    let published =
        own.status.and_then(|status| status.bundle).with_context(|| format!("Mesh {} has no bundle", name.mesh))?;
    let bundle = Document::read(callee.trust_domain().clone(), published.document.as_bytes())?.bundle;
    let cell = SvidCell::new();
    cell.set(svid);
    let tls = MeshTls::new(Arc::new(TrustStore::with(&[bundle])?), Arc::new(cell));
    let connector = TlsConnector::from(tls.client_config(&[ALPN], callee)?);
    let pods: Api<Pod> = Api::namespaced(mesh.clone(), NAMESPACE);
    let gateways = pods.list(&ListParams::default().labels("app.kubernetes.io/name=isthmus-gateway")).await?;
    let gateway = gateways.items.first().with_context(|| format!("{} has no gateway", name.mesh))?.name_any();
    let mut way = pods.portforward(&gateway, &[GATEWAY_PORT]).await?;
    let stream = way.take_stream(GATEWAY_PORT).context("no way to the gateway")?;
    let exchange = async {
        let mut stream = connector.connect(ServerName::try_from(name.to_string())?, stream).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", name.service.name);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).await?;
        anyhow::Ok(answer)
    };
    match tokio::time::timeout(PATIENCE, exchange).await {
        Err(_) => bail!("{name}: neither an answer nor a refusal in {} s", PATIENCE.as_secs()),
        // It is the callee that must refuse; that we refuse it would be another matter.
        Ok(Err(error)) => match error.downcast_ref::<std::io::Error>() {
            Some(fault) if Refused::of_io(fault).is_none() => Ok("refused".to_owned()),
            _ => Err(error),
        },
        Ok(Ok(answer)) => {
            let text = String::from_utf8_lossy(&answer);
            Ok(text.split_whitespace().nth(1).map_or_else(|| "refused".to_owned(), str::to_owned))
        }
    }
}
