//! Keeping the roots in the definitions whose objects this server converts, and where it is.

use isthmus_k8s::crd::{CONVERT_PATH, CONVERTED};
use k8s_openapi::{
    ByteString,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::{
        CustomResourceDefinition, ServiceReference, WebhookClientConfig,
    },
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::config::NAME;

/// Writes the roots into every definition that names this server, if `write`. Are they right now?
pub(super) async fn right(
    client: &Client,
    namespace: &str,
    root: &ByteString,
    write: bool,
) -> Result<bool, kube::Error> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut right = true;
    for name in CONVERTED {
        let Some(found) = definitions.get_opt(name).await? else { continue };
        let Some(patch) = patch(&found, namespace, root) else { continue };
        right &= write;
        if write {
            definitions.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
            tracing::info!(definition = name, "wrote the roots");
        }
    }
    Ok(right)
}

/// What is to be changed. A definition that somebody else made, and that has no conversion or another one, is left alone.
fn patch(found: &CustomResourceDefinition, namespace: &str, root: &ByteString) -> Option<Value> {
    let config = found.spec.conversion.as_ref()?.webhook.as_ref()?.client_config.as_ref()?;
    let service = config.service.as_ref()?;
    let ours = service.name == NAME && service.path.as_deref() == Some(CONVERT_PATH);
    let right = service.namespace == namespace && config.ca_bundle.as_ref() == Some(root);
    if !ours || right {
        return None;
    }
    let service = ServiceReference { namespace: namespace.to_owned(), ..service.clone() };
    let config = WebhookClientConfig { ca_bundle: Some(root.clone()), service: Some(service), url: None };
    // The version that was read, so that nothing newer is overwritten.
    let read = &found.metadata.resource_version;
    Some(
        json!({ "metadata": { "resourceVersion": read }, "spec": { "conversion": { "webhook": { "clientConfig": config } } } }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_names_this_server_is_written() {
        let root = ByteString(b"roots".to_vec());
        let crds = isthmus_k8s::crds();
        let written: Vec<_> = crds.iter().filter(|crd| patch(crd, "mesh", &root).is_some()).collect();
        assert_eq!(written.len(), CONVERTED.len());
        let mut crd = written[0].clone();
        let change = patch(&crd, "mesh", &root).unwrap();
        let config = &change["spec"]["conversion"]["webhook"]["clientConfig"];
        assert_eq!((&config["service"]["namespace"], &config["service"]["path"]), (&json!("mesh"), &json!("/convert")));
        let conversion = crd.spec.conversion.as_mut().unwrap().webhook.as_mut().unwrap();
        conversion.client_config = serde_json::from_value(config.clone()).unwrap();
        assert_eq!(patch(&crd, "mesh", &root), None, "it is right now");
        assert!(patch(&crd, "mesh", &ByteString(b"others".to_vec())).is_some());
        let conversion = crd.spec.conversion.as_mut().unwrap().webhook.as_mut().unwrap();
        conversion.client_config.as_mut().unwrap().service.as_mut().unwrap().name = "another".into();
        assert_eq!(patch(&crd, "elsewhere", &root), None);
    }
}
