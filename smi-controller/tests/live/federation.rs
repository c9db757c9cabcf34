//! Two meshes with a hub between them: they are joined by an invitation, share a service, lose their hub for a while, and are
//! cut apart again.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use isthmus_api::{
    control::v1::{ControllerMessage, controller_message::Content},
    decode, encode,
};
use isthmus_core::{
    destination::{Destination, DestinationKey, Endpoint},
    federation::MeshName,
    id::SpiffeId,
};
use isthmus_federation::{
    hub::{self, Hub, Memory, Metrics},
    invitation::{Invitation, Terms},
};
use isthmus_identity::{Authority, Keypair, MeshTls, Svid, SvidCell, TrustStore};
use isthmus_k8s::federation::{
    ImportedService, Mesh, MeshPeer,
    invitation::{self, Side, State, secret_name},
};
use k8s_openapi::{
    api::{
        core::v1::{Secret, Service},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    proxy::Proxy,
    shop,
    world::{World, free_port},
};

const HOUR: Duration = Duration::from_secs(3600);
const GATEWAY: &str = "192.0.2.1:15443";

/// A hub in the east, on a port that stays.
struct HubServer {
    store: Memory,
    addr: std::net::SocketAddr,
    running: Option<(CancellationToken, JoinHandle<Result<(), hub::ServeError>>)>,
}

impl HubServer {
    async fn start(east: &World) -> Self {
        let mut server = Self { store: Memory::default(), addr: free_port(), running: None };
        server.run(east).await;
        server
    }

    fn identity() -> SpiffeId {
        "spiffe://east.local/ns/isthmus-system/sa/isthmus-hub".parse().unwrap()
    }

    async fn run(&mut self, east: &World) {
        let domain = east.config.trust_domain.clone();
        let secrets: Api<Secret> = Api::namespaced(east.client.clone(), "isthmus-system");
        let data = secrets.get("isthmus-ca").await.unwrap().data.unwrap();
        let text = |key: &str| std::str::from_utf8(&data[key].0).unwrap().to_owned();
        let root = Authority::from_pem(&domain, &text("tls.crt"), &text("tls.key"), SystemTime::now()).unwrap();
        let keypair = Keypair::generate().unwrap();
        let issued = root.issue(&keypair.csr().unwrap(), &Self::identity(), SystemTime::now(), HOUR).unwrap();
        let cell = Arc::new(SvidCell::new());
        cell.set(Svid::new(issued.chain, &keypair).unwrap());
        let roots = Arc::new(TrustStore::with(&[root.bundle(1)]).unwrap());
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let own: MeshName = "east".parse().unwrap();
        let hub = Arc::new(Hub::load(own, domain, self.store.clone(), roots.clone(), metrics).await.unwrap());
        let listener = TcpListener::bind(self.addr).await.unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move { hub::serve(hub, listener, &MeshTls::new(roots, cell), stopped).await });
        self.running = Some((stop, task));
    }

    async fn stop(&mut self) {
        let (stop, task) = self.running.take().unwrap();
        stop.cancel();
        task.await.unwrap().unwrap();
    }
}

impl World {
    fn all<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = ()>,
    {
        Api::all(self.client.clone())
    }

    fn here<K>(&self, namespace: &str) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    async fn has_mesh(&self, hub: &HubServer) {
        let name = &self.config.mesh;
        let spec = json!({"trustDomain": self.config.trust_domain, "gateways": [GATEWAY],
            "hub": {"address": hub.addr, "identity": HubServer::identity()}});
        self.apply(json!({"apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": "Mesh",
            "metadata": {"name": name}, "spec": spec}))
            .await;
    }

    /// `Connected` of the own Mesh.
    async fn is_connected(&self) -> String {
        let mesh = self.all::<Mesh>().get(&self.config.mesh).await.unwrap();
        said(&mesh.status.unwrap_or_default().conditions, "Connected")
    }

    /// A condition of a peer.
    async fn peer(&self, mesh: &str, kind: &str) -> String {
        let peer = self.all::<MeshPeer>().get_opt(mesh).await.unwrap();
        said(&peer.and_then(|peer| peer.status).unwrap_or_default().conditions, kind)
    }

    async fn joined(&self, mesh: &str) {
        self.until(&format!("{} trusts {mesh}", self.config.mesh), async || {
            self.peer(mesh, "Connected").await == "True/Connected"
                && self.peer(mesh, "TrustPropagated").await == "True/TrustPropagated"
        })
        .await;
    }

    async fn invitation(&self, invitation: &Invitation, side: Side) {
        let id = invitation.id.to_string();
        let secret = invitation::secret("isthmus-system", &id, side, invitation.to_text().expose(), None);
        self.here::<Secret>("isthmus-system").create(&PostParams::default(), &secret).await.unwrap();
    }

    async fn invitation_is(&self, invitation: &Invitation, state: State) {
        let (api, name) = (self.here::<Secret>("isthmus-system"), secret_name(&invitation.id.to_string()));
        self.until(&format!("the invitation is {state:?} in {}", self.config.mesh), async || {
            State::of(&api.get(&name).await.unwrap()) == Some(state)
        })
        .await;
    }

    async fn import(&self, name: &str) -> ImportedService {
        self.here("shop").get(name).await.unwrap()
    }
}

/// `status/reason`.
fn said(conditions: &[Condition], kind: &str) -> String {
    let found = conditions.iter().find(|condition| condition.type_ == kind);
    found.map(|c| format!("{}/{}", c.status, c.reason)).unwrap_or_default()
}

fn ours(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "federation.isthmus.mesh/v1alpha1", "kind": kind,
        "metadata": {"name": name, "namespace": "shop"}, "spec": spec})
}

async fn invite(east: &World, hub: &HubServer) -> Invitation {
    let mesh = east.all::<Mesh>().get("east").await.unwrap();
    let digest = mesh.status.unwrap().bundle.unwrap().digest.parse().unwrap();
    let expires = (SystemTime::now() + HOUR).duration_since(UNIX_EPOCH).unwrap().as_secs();
    Invitation::generate(Terms {
        hub: vec![hub.addr.to_string().into()],
        hub_identity: HubServer::identity(),
        hub_bundle: digest,
        mesh: "east".parse().unwrap(),
        trust_domain: east.config.trust_domain.clone(),
        bundle: digest,
        expires: i64::try_from(expires).unwrap(),
    })
    .unwrap()
}

/// Two meshes that are joined.
async fn joined() -> (World, World, HubServer) {
    let (east, west) = (World::of("east").await, World::of("west").await);
    shop(&east).await;
    shop(&west).await;
    let hub = HubServer::start(&east).await;
    east.has_mesh(&hub).await;
    east.until("east is connected", async || east.is_connected().await == "True/Connected").await;
    let invitation = invite(&east, &hub).await;
    east.invitation(&invitation, Side::Inviter).await;
    east.invitation_is(&invitation, State::Announced).await;
    west.has_mesh(&hub).await;
    west.invitation(&invitation, Side::Joiner).await;
    west.invitation_is(&invitation, State::Used).await;
    east.invitation_is(&invitation, State::Used).await;
    (east, west, hub)
}

async fn next_bundles(proxy: &mut Proxy) -> Vec<String> {
    loop {
        let message = proxy.hear().await;
        proxy.ack(&message).await;
        if let Some(Content::Bundles(bundles)) = message.content {
            return bundles.bundles.into_iter().map(|bundle| bundle.trust_domain).collect();
        }
    }
}

/// What a destination is, when it is told whole.
fn endpoints(message: &ControllerMessage) -> Option<Vec<Endpoint>> {
    let Some(Content::Destination(destination)) = message.content.clone() else { return None };
    let Destination::Service(route) = decode::destination(destination).unwrap() else { return None };
    Some(route.root.endpoints.to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_meshes_are_joined_share_a_service_lose_their_hub_and_are_cut_apart() {
    let (mut east, mut west, mut hub) = joined().await;
    // West's web is shared, as `web-west`.
    west.apply(ours("ExportedService", "web", json!({"to": ["east"]}))).await;
    east.apply(ours("ImportedService", "web-west", json!({"from": {"mesh": "west", "service": "web"}}))).await;
    let mut proxy = east.proxy("web-1", "web").await;
    proxy.subscribe(encode::bundles_key(), "").await;
    while next_bundles(&mut proxy).await != ["east.local", "west.local"] {}
    east.joined("west").await;
    west.joined("east").await;
    east.until("the proxy is counted", async || {
        let peer = east.all::<MeshPeer>().get("west").await.unwrap();
        peer.status.unwrap().trust_propagated.as_deref() == Some("1/1")
    })
    .await;

    east.until("the import is fresh", async || {
        let status = east.import("web-west").await.status.unwrap_or_default();
        (format!("{:?}", status.state), status.endpoints) == ("Fresh".to_owned(), 1)
    })
    .await;
    let services = east.here::<Service>("shop");
    east.until("the Service is made", async || services.get_opt("web-west").await.unwrap().is_some()).await;
    let slices = east.here::<EndpointSlice>("shop");
    east.until("its slice names the gateway", async || {
        let slice = slices.get_opt("web-west-isthmus-v4").await.unwrap();
        slice.is_some_and(|slice| slice.endpoints[0].addresses == ["192.0.2.1"])
    })
    .await;
    mends_what_somebody_edits(&east).await;
    let address = east.cluster_ip("web-west").await;
    let key = encode::destination_key(&DestinationKey { host: address.as_str().into(), port: 80 });
    proxy.subscribe(key.clone(), "").await;
    let [endpoint] = loop {
        let message = proxy.hear().await;
        proxy.ack(&message).await;
        if let Some(found) = endpoints(&message)
            && let Ok(one) = <[Endpoint; 1]>::try_from(found)
        {
            break one;
        }
    };
    assert_eq!(endpoint.addr.to_string(), GATEWAY);
    assert_eq!(endpoint.identity.unwrap().as_str(), "spiffe://west.local/ns/shop/sa/web");
    let name = endpoint.remote.unwrap().server_name;
    assert!(name.ends_with(".p80.web.shop.svc.west.mesh"), "{name}");

    // A name that is taken stays as it is, and says so.
    let before = services.get("blue").await.unwrap();
    east.apply(ours("ImportedService", "blue", json!({"from": {"mesh": "west", "service": "web"}}))).await;
    east.until("the conflict is told", async || {
        let conditions = east.import("blue").await.status.unwrap_or_default().conditions;
        said(&conditions, "ResolvedRefs") == "False/NameConflict"
    })
    .await;
    assert_eq!(services.get("blue").await.unwrap().resource_version(), before.resource_version());

    // Without the hub what is known stays in use; a controller that starts meanwhile knows it too.
    hub.stop().await;
    east.until("the hub is missed", async || east.is_connected().await == "False/HubUnreachable").await;
    east.restart().await;
    let import = east.import("web-west").await.status.unwrap();
    assert_eq!(import.endpoints, 1, "{import:?}");
    hub.run(&east).await;
    east.until("the hub is back", async || east.is_connected().await == "True/Connected").await;
    east.joined("west").await;

    // Cut apart: the proxy confirms, and the receipt says so.
    let mut proxy = east.proxy("web-1", "web").await;
    proxy.subscribe(encode::bundles_key(), "").await;
    while next_bundles(&mut proxy).await != ["east.local", "west.local"] {}
    east.joined("west").await;
    east.all::<MeshPeer>().delete("west", &DeleteParams::default()).await.unwrap();
    let message = proxy.hear().await;
    assert!(matches!(&message.content, Some(Content::Bundles(b)) if b.bundles.len() == 1), "{message:?}");
    proxy.ack_cutting(&message, 3).await;
    let mut receipt = String::new();
    east.until("the peer is gone", async || match east.all::<MeshPeer>().get_opt("west").await.unwrap() {
        Some(peer) => {
            receipt = peer.status.and_then(|status| status.revocation).unwrap_or_default();
            false
        }
        None => true,
    })
    .await;
    assert!(receipt.starts_with(r#"{"proxies":1,"confirmed":1,"connectionsCut":3,"#), "{receipt}");
    east.until("nothing of west is used", async || {
        let status = east.import("web-west").await.status.unwrap();
        status.endpoints == 0 && status.catalog.is_empty()
    })
    .await;
    west.until("west is told", async || west.peer("east", "Connected").await == "False/NotAgreed").await;
    hub.stop().await;
    east.stop().await;
    west.stop().await;
}

/// What the controller has written of `web-west` is as it was, whatever somebody writes over it.
async fn mends_what_somebody_edits(east: &World) {
    let (imports, services) = (east.here::<ImportedService>("shop"), east.here::<Service>("shop"));
    let (slices, merge) = (east.here::<EndpointSlice>("shop"), PatchParams::default());
    let name = "web-west-isthmus-v4";
    let wrong = json!({"endpoints": [{"addresses": ["203.0.113.9"], "conditions": {"ready": true}}]});
    slices.patch(name, &merge, &Patch::Merge(wrong)).await.unwrap();
    let is_right = async || {
        let slice = slices.get_opt(name).await.unwrap();
        slice.is_some_and(|slice| slice.endpoints[0].addresses == ["192.0.2.1"])
    };
    east.until("the edited slice is mended", is_right).await;
    slices.delete(name, &DeleteParams::default()).await.unwrap();
    east.until("the deleted slice is back", is_right).await;

    let wrong = json!({"status": {"endpoints": 7, "state": "Expired", "catalog": []}});
    imports.patch_status("web-west", &merge, &Patch::Merge(wrong)).await.unwrap();
    east.until("the edited status is mended", async || {
        let status = east.import("web-west").await.status.unwrap();
        (format!("{:?}", status.state), status.endpoints, status.catalog.len()) == ("Fresh".to_owned(), 1, 1)
    })
    .await;
    let wrong = json!({"status": {"bundle": {"sequence": 9, "digest": "sha256:0", "document": "{}"}}});
    east.all::<MeshPeer>().patch_status("west", &merge, &Patch::Merge(wrong)).await.unwrap();
    east.until("the edited bundle is mended", async || {
        let peer = east.all::<MeshPeer>().get("west").await.unwrap();
        peer.status.unwrap().bundle.unwrap().sequence != 9
    })
    .await;

    let wrong = json!({"spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "name": "other"}]}});
    services.patch("web-west", &merge, &Patch::Merge(wrong)).await.unwrap();
    east.until("the edited Service is mended", async || {
        let spec = services.get("web-west").await.unwrap().spec.unwrap();
        spec.selector.unwrap_or_default().is_empty() && spec.ports.unwrap()[0].name.as_deref() != Some("other")
    })
    .await;
}

/// The next roots that a proxy is sent, and the sequence of east's among them. They aren't acknowledged.
async fn next_of_east(proxy: &mut Proxy) -> (ControllerMessage, u64) {
    let message = proxy.hear().await;
    let Some(Content::Bundles(bundles)) = &message.content else { panic!("{message:?}") };
    let sequence = bundles.bundles.iter().find(|b| b.trust_domain == "east.local").map_or(0, |b| b.sequence);
    (message, sequence)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_root_signs_only_when_the_proxies_of_the_other_mesh_hold_it_too() {
    let (mut east, mut west, mut hub) = joined().await;
    let secrets = east.here::<Secret>("isthmus-system");
    let rotation = async || {
        let secret = secrets.get("isthmus-trust").await.unwrap();
        secret.annotations().get("isthmus.mesh/rotation").cloned().unwrap_or_default()
    };
    let mut own = Vec::new();
    for account in ["web", "blue"] {
        let mut proxy = east.proxy(&format!("{account}-1"), account).await;
        proxy.subscribe(encode::bundles_key(), "").await;
        while next_bundles(&mut proxy).await != ["east.local", "west.local"] {}
        own.push(proxy);
    }
    let mut other = west.proxy("web-1", "web").await;
    other.subscribe(encode::bundles_key(), "").await;
    let first = loop {
        let (message, sequence) = next_of_east(&mut other).await;
        other.ack(&message).await;
        if sequence > 0 {
            break sequence;
        }
    };
    east.joined("west").await;
    let acknowledged = async |sequence: u64| {
        let peer = east.all::<MeshPeer>().get("west").await.unwrap();
        peer.status.unwrap_or_default().acknowledged == Some(sequence)
    };
    east.until("west says that its proxy holds the bundle", async || acknowledged(first).await).await;

    let patch = json!({"metadata": {"annotations": {"isthmus.mesh/rotate-root": "now"}}});
    secrets.patch("isthmus-ca", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    for proxy in &mut own {
        let (message, sequence) = next_of_east(proxy).await;
        proxy.ack(&message).await;
        assert_eq!(sequence, first + 1, "both roots");
    }
    let (message, sequence) = next_of_east(&mut other).await;
    assert_eq!(sequence, first + 1, "west's proxies are sent both as well");
    let mut before = String::new();
    east.until("east waits for west's proxy", async || {
        let said = rotation().await;
        if said != before {
            println!("{said}");
            before.clone_from(&said);
        }
        said.contains("TrustPropagated 2/2") && said.contains("west among them with 0/1 proxies")
    })
    .await;
    other.ack(&message).await;
    east.until("the new root signs", async || rotation().await.starts_with("Turning")).await;
    hub.stop().await;
    east.stop().await;
    west.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_that_cannot_be_used_says_why() {
    let (mut east, mut west, mut hub) = joined().await;
    // The same one again, by a third mesh.
    let mut north = World::of("north").await;
    let secret = |world: &World| world.here::<Secret>("isthmus-system");
    let used = secret(&west).list(&kube::api::ListParams::default().labels(invitation::SIDE)).await.unwrap();
    let text = invitation::text(&used.items[0]).unwrap().to_owned();
    let again = Invitation::parse(&text).unwrap();
    north.has_mesh(&hub).await;
    north.invitation(&again, Side::Joiner).await;
    north.invitation_is(&again, State::Refused).await;
    let refused = secret(&north).get(&secret_name(&again.id.to_string())).await.unwrap();
    assert!(refused.annotations()[invitation::ERROR].contains("used"), "{:?}", refused.annotations());
    assert!(east.all::<MeshPeer>().get_opt("north").await.unwrap().is_none());
    // One that was altered on the way.
    let mut altered = text.into_bytes();
    let last = altered.len() - 1;
    altered[last] = if altered[last] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    let made = invitation::secret("isthmus-system", "altered", Side::Joiner, &altered, None);
    secret(&north).create(&PostParams::default(), &made).await.unwrap();
    north
        .until("the altered one is refused", async || {
            State::of(&secret(&north).get("isthmus-invitation-altered").await.unwrap()) == Some(State::Refused)
        })
        .await;
    hub.stop().await;
    for world in [&mut east, &mut west, &mut north] {
        world.stop().await;
    }
}
