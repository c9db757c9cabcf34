//! The hub and members over real TLS on loopback.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use isthmus_api::federation::v1::{
    self as proto, federation_client::FederationClient, hub_message::Message as Heard, member_message::Message as Said,
};
use isthmus_identity::{MeshTls, SvidCell, TrustStore};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    catalog::{
        receive::unix,
        testing::{exports, service},
    },
    hub::{self, Hub, MemberRecord, Memory, Metrics, Store},
    invitation::{Invitation, Terms},
    member::{self, Event, HubRef, InvitationState, JoinError, Joiner, Offer, Parts},
    names::hub_id,
    testing::{Controller, HOUR, Trust, cluster, mesh},
};

/// Generous: the machine that runs this may be busy.
const DEADLINE: Duration = Duration::from_secs(60);

struct RunningHub {
    addr: SocketAddr,
    hub: Arc<Hub<Memory>>,
    store: Memory,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

fn record(name: &str, trust: &Trust) -> MemberRecord {
    MemberRecord {
        mesh: mesh(name),
        trust_domain: trust.domain.clone(),
        held: Some(trust.held()),
        chain: trust.chain.clone(),
    }
}

impl RunningHub {
    /// In mesh `east`; shows a certificate of this ID.
    async fn start_as(id: &str, trust: &Trust, store: Memory, addr: Option<SocketAddr>) -> Self {
        store.save(record("east", trust), Vec::new()).await.unwrap();
        let roots = Arc::new(TrustStore::with(&[trust.bundle()]).unwrap());
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let domain = trust.domain.clone();
        let hub = Hub::load(mesh("east"), domain, store.clone(), Arc::clone(&roots), metrics).await.unwrap();
        let (hub, cell) = (Arc::new(hub), Arc::new(SvidCell::new()));
        cell.set(trust.svid(id, SystemTime::now()));
        let listener = TcpListener::bind(addr.unwrap_or(([127, 0, 0, 1], 0).into())).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (serving, keeping) = (Arc::clone(&hub), Arc::clone(&hub));
        let (until, ended) = (stop.clone(), stop.clone());
        tokio::spawn(async move { keeping.keep_house(ended).await });
        let serving = tokio::spawn(async move {
            hub::serve(serving, listener, &MeshTls::new(roots, cell), until).await.unwrap();
        });
        Self { addr, hub, store, stop, serving }
    }

    async fn start(trust: &Trust) -> Self {
        Self::start_as(hub_id(&trust.domain).unwrap().as_str(), trust, Memory::default(), None).await
    }

    /// Another one at the same place, with what this one has kept.
    async fn restart(self, trust: &Trust) -> Self {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.serving).await.unwrap().unwrap();
        let id = hub_id(&trust.domain).unwrap();
        Self::start_as(id.as_str(), trust, self.store, Some(self.addr)).await
    }

    fn reference(&self, trust: &Trust) -> HubRef {
        HubRef {
            addresses: vec![self.addr.to_string().into()],
            identity: hub_id(&trust.domain).unwrap(),
            held: trust.held(),
        }
    }

    fn invitation(&self, trust: &Trust) -> Arc<Invitation> {
        let terms = Terms {
            hub: vec![self.addr.to_string().into()],
            hub_identity: hub_id(&trust.domain).unwrap(),
            hub_bundle: trust.digest(),
            mesh: mesh("east"),
            trust_domain: trust.domain.clone(),
            bundle: trust.digest(),
            expires: unix(SystemTime::now() + HOUR),
        };
        Arc::new(Invitation::generate(terms).unwrap())
    }
}

struct Member {
    offer: watch::Sender<Arc<Offer>>,
    events: mpsc::Receiver<Event>,
    seen: Vec<Event>,
    stop: CancellationToken,
}

impl Member {
    fn start(name: &str, trust: &Trust, hub: HubRef, edit: impl FnOnce(&mut Offer)) -> Self {
        Self::start_with(name, trust, hub, trust.controller(), edit)
    }

    fn start_with(
        name: &str,
        trust: &Trust,
        hub: HubRef,
        svid: isthmus_identity::Svid,
        edit: impl FnOnce(&mut Offer),
    ) -> Self {
        let mut offer = Controller::new(name, name, trust, trust, std::time::Instant::now()).offer;
        edit(&mut offer);
        let (offer, offered) = watch::channel(Arc::new(offer));
        let (tell, events) = mpsc::channel(64);
        let cell = Arc::new(SvidCell::new());
        cell.set(svid);
        let stop = CancellationToken::new();
        tokio::spawn(member::run(Parts { svid: cell, hub, offer: offered, events: tell, stop: stop.clone() }));
        Self { offer, events, seen: Vec::new(), stop }
    }

    fn offer(&self, edit: impl FnOnce(&mut Offer)) {
        self.offer.send_modify(|offer| edit(Arc::make_mut(offer)));
    }

    /// Waits for an event of which this makes something.
    async fn until<T>(&mut self, what: impl Fn(&Event) -> Option<T>) -> T {
        let wait = async {
            loop {
                let event = self.events.recv().await.expect("the member has ended");
                self.seen.push(event.clone());
                if let Some(found) = what(&event) {
                    return found;
                }
            }
        };
        match tokio::time::timeout(DEADLINE, wait).await {
            Ok(found) => found,
            Err(_) => panic!("it doesn't come; seen: {:#?}", self.seen),
        }
    }

    async fn connected(&mut self) {
        self.until(|event| matches!(event, Event::Connected { .. }).then_some(())).await;
    }

    async fn lost(&mut self) -> String {
        self.until(|event| match event {
            Event::Lost { why } => Some(why.clone()),
            _ => None,
        })
        .await
    }

    /// The tokens of the newest catalog of a peer, when it has these.
    async fn tokens(&mut self, expected: &[&str]) {
        self.until(|event| match event {
            Event::Catalog { exports, .. } => {
                let tokens = exports.services.values().flat_map(|service| service.endpoints.keys());
                tokens.map(ToString::to_string).eq(expected.iter().map(ToString::to_string)).then_some(())
            }
            _ => None,
        })
        .await;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn web(tokens: &[&str]) -> Arc<crate::catalog::Exports> {
    Arc::new(exports(&[("web", service(1, &[(80, "http")], tokens))]))
}

fn joiner(name: &str, trust: &Trust) -> Joiner {
    Joiner {
        mesh: mesh(name),
        cluster: cluster(name),
        trust_domain: trust.domain.clone(),
        chain: trust.chain.clone(),
        svid: Arc::new(trust.controller()),
    }
}

/// A hub with east and west, joined by an invitation; west exports a pod `a` to east.
async fn two(east: &Trust, west: &Trust) -> (RunningHub, Member, Member) {
    let hub = RunningHub::start(east).await;
    let invitation = hub.invitation(east);
    let made = Arc::clone(&invitation);
    let mut of_east =
        Member::start("east", east, hub.reference(east), |offer| drop(offer.invitations.insert(made.id, made)));
    let announced = Event::Invitation { invitation: invitation.id, state: InvitationState::Announced };
    of_east.until(|event| (*event == announced).then_some(())).await;

    let joined = member::join(&invitation, &joiner("west", west)).await.unwrap();
    assert_eq!((&joined.inviter, joined.peer.pin), (&mesh("east"), Some(east.digest())));
    let introduced = of_east.until(|event| match event {
        Event::Introduced { mesh, trust_domain, bundle, .. } => Some((mesh.clone(), trust_domain.clone(), *bundle)),
        _ => None,
    });
    let (name, domain, pin) = introduced.await;
    assert_eq!((&name, &domain, pin), (&mesh("west"), &west.domain, west.digest()));
    of_east.offer(|offer| {
        offer.invitations.clear();
        offer.peers.insert(name, member::Peer::new(domain, Some(pin)));
    });
    let mut of_west = Member::start("west", west, joined.hub, |offer| {
        offer.peers.insert(joined.inviter, joined.peer);
        offer.exports = BTreeMap::from([(mesh("east"), web(&["a"]))]);
    });
    of_west.connected().await;
    of_east.tokens(&["a"]).await;
    (hub, of_east, of_west)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_meshes_join_by_one_invitation_and_share_a_service() {
    let (east, west) = (Trust::new("east.local"), Trust::new("west.local"));
    let (_hub, mut of_east, of_west) = two(&east, &west).await;
    of_west.offer(|offer| drop(offer.exports.insert(mesh("east"), web(&["a", "b"]))));
    of_east.tokens(&["a", "b"]).await;
    of_east.until(|event| matches!(event, Event::Heartbeat { .. }).then_some(())).await;
    of_west.offer(|offer| offer.peers.clear());
    of_east.until(|event| matches!(event, Event::Withdrawn { .. }).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hub_restarted_empty_of_catalogs_members_bring_everything_back() {
    let (east, west) = (Trust::new("east.local"), Trust::new("west.local"));
    let (hub, mut of_east, of_west) = two(&east, &west).await;
    let hub = hub.restart(&east).await;
    of_east.lost().await;
    of_east.connected().await;
    of_west.offer(|offer| drop(offer.exports.insert(mesh("east"), web(&["c"]))));
    of_east.tokens(&["c"]).await;
    // Another cluster of east, which the new hub alone can tell.
    let peer = west.peer();
    let mut second = Member::start("east", &east, hub.reference(&east), |offer| {
        offer.cluster = cluster("east-2");
        offer.peers.insert(mesh("west"), peer);
    });
    second.tokens(&["c"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_is_useless_once_used() {
    let east = Trust::new("east.local");
    let hub = RunningHub::start(&east).await;
    let invitation = hub.invitation(&east);
    let made = Arc::clone(&invitation);
    let mut of_east =
        Member::start("east", &east, hub.reference(&east), |offer| drop(offer.invitations.insert(made.id, made)));
    let announced = Event::Invitation { invitation: invitation.id, state: InvitationState::Announced };
    of_east.until(|event| (*event == announced).then_some(())).await;
    // All at once: one is let in.
    let others = ["west.local", "north.local", "south.local"].map(Trust::new);
    let attempts = others.iter().zip(["west", "north", "south"]).map(|(trust, name)| {
        let (invitation, joiner) = (Arc::clone(&invitation), joiner(name, trust));
        async move { member::join(&invitation, &joiner).await }
    });
    let outcomes = futures::future::join_all(attempts).await;
    let refused = |outcome: &&Result<_, JoinError>| matches!(outcome, Err(JoinError::Refused(why)) if why.contains("has been used"));
    let good = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!((good, outcomes.iter().filter(refused).count()), (1, 2), "{outcomes:?}");
    assert_eq!(hub.hub.with(|state| state.members().len()), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invitation_withdrawn_lets_nobody_in() {
    let (east, west) = (Trust::new("east.local"), Trust::new("west.local"));
    let hub = RunningHub::start(&east).await;
    let invitation = hub.invitation(&east);
    let made = Arc::clone(&invitation);
    let mut of_east =
        Member::start("east", &east, hub.reference(&east), |offer| drop(offer.invitations.insert(made.id, made)));
    let state = |state| Event::Invitation { invitation: invitation.id, state };
    let (announced, unknown) = (state(InvitationState::Announced), state(InvitationState::Unknown));
    of_east.until(|event| (*event == announced).then_some(())).await;
    of_east.offer(|offer| offer.invitations.clear());
    of_east.until(|event| (*event == unknown).then_some(())).await;
    let refused = member::join(&invitation, &joiner("west", &west)).await.unwrap_err();
    assert!(refused.to_string().contains("knows no such invitation"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_that_is_not_the_one_invited_to_gets_nothing() {
    let (east, west, other) = (Trust::new("east.local"), Trust::new("west.local"), Trust::new("east.local"));
    // It answers at the hub's address with roots of its own.
    let impostor = RunningHub::start(&other).await;
    let invitation = impostor.invitation(&east);
    let refused = member::join(&invitation, &joiner("west", &west)).await.unwrap_err();
    assert!(matches!(refused, JoinError::HubBundle(_)), "{refused}");
    // It tells the right roots, and has the certificate of another workload of that mesh.
    let workload = "spiffe://east.local/ns/shop/sa/web";
    let impostor = RunningHub::start_as(workload, &east, Memory::default(), None).await;
    let refused = member::join(&impostor.invitation(&east), &joiner("west", &west)).await.unwrap_err();
    assert!(matches!(&refused, JoinError::Unreachable(why) if why.contains("not who was called")), "{refused}");
    assert!(impostor.hub.with(|state| state.members().len()) == 1);
    let mut member = Member::start("east", &east, impostor.reference(&east), |_| {});
    let why = member.lost().await;
    assert!(why.contains("not who was called"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_needs_the_certificate_of_the_meshs_controller() {
    let east = Trust::new("east.local");
    let hub = RunningHub::start(&east).await;
    let web = east.svid("spiffe://east.local/ns/shop/sa/web", SystemTime::now());
    let mut workload = Member::start_with("east", &east, hub.reference(&east), web, |_| {});
    assert!(workload.lost().await.contains("doesn't speak for mesh east"));
    let mut other = Member::start("west", &east, hub.reference(&east), |offer| offer.mesh = mesh("west"));
    assert!(other.lost().await.contains("hasn't joined this hub"));
    // Roots that the hub doesn't know: its handshake fails.
    let stranger = Trust::new("west.local");
    let mut stranger = Member::start("west", &stranger, hub.reference(&east), |_| {});
    let why = stranger.lost().await;
    assert!(why.contains("doesn't take this mesh's certificate"), "{why}");
    assert!(hub.hub.with(|state| state.size().0) == 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_put_out_is_cut_off_and_stays_out() {
    let (east, west) = (Trust::new("east.local"), Trust::new("west.local"));
    let (hub, mut of_east, mut of_west) = two(&east, &west).await;
    hub.store.revoke(&mesh("west"));
    assert!(of_west.lost().await.contains("revoked"));
    of_west.lost().await;
    of_east.until(|event| matches!(event, Event::Peer { agrees: false, .. }).then_some(())).await;
    assert!(hub.hub.with(|state| state.member(&mesh("west")).is_none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_missed_the_hubs_new_root_finds_the_way() {
    let (mut east, west) = (Trust::new("east.local"), Trust::new("west.local"));
    let (hub, _of_east, of_west) = two(&east, &west).await;
    let stale = hub.reference(&east);
    of_west.stop.cancel();
    east.add_root();
    east.retire_root();
    let hub = hub.restart(&east).await;
    let peer = east.peer();
    let mut late = Member::start("west", &west, stale, |offer| drop(offer.peers.insert(mesh("east"), peer)));
    let held = late.until(|event| match event {
        Event::HubBundle(held) => Some(held.digest()),
        _ => None,
    });
    assert_eq!(held.await, east.digest());
    late.connected().await;
    drop(hub);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_unknown_may_ask_only_so_often() {
    let (east, west) = (Trust::new("east.local"), Trust::new("west.local"));
    let hub = RunningHub::start(&east).await;
    let invitation = hub.invitation(&east);
    let busy = async {
        loop {
            // Each attempt asks twice.
            match member::join(&invitation, &joiner("west", &west)).await {
                Err(JoinError::Unreachable(why)) if why.contains("asked too often") => return,
                Err(JoinError::Refused(why)) => assert!(why.contains("knows no such invitation"), "{why}"),
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::time::timeout(DEADLINE, busy).await.expect("it may ask as often as it likes");
}

/// West says forty thousand things in one breath: it is heard later and told so, and what others say to each other goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_floods_the_hub_is_slowed_and_nobody_else() {
    let (east, west, north) = (Trust::new("east.local"), Trust::new("west.local"), Trust::new("north.local"));
    let store = Memory::default();
    for (name, trust) in [("west", &west), ("north", &north)] {
        store.save(record(name, trust), Vec::new()).await.unwrap();
    }
    let hub = RunningHub::start_as(hub_id(&east.domain).unwrap().as_str(), &east, store, None).await;
    let (roots, cell) = (Arc::new(TrustStore::with(&[east.bundle()]).unwrap()), Arc::new(SvidCell::new()));
    cell.set(west.controller());
    let config = MeshTls::new(roots, cell).client_config(&[b"h2"], hub_id(&east.domain).unwrap()).unwrap();
    let channel = member::channel(&[hub.addr.to_string().into()], config).await.unwrap();
    let said = |message| proto::MemberMessage { message: Some(message) };
    let hello = said(Said::Hello(proto::Hello {
        mesh: "west".to_owned(),
        cluster: "west".to_owned(),
        trust_domain: "west.local".to_owned(),
        version: String::new(),
    }));
    let beat = said(Said::Heartbeat(proto::Addressed { to: "east".to_owned(), ..proto::Addressed::default() }));
    let flood = futures::stream::iter(std::iter::once(hello).chain(std::iter::repeat_n(beat, 40_000)));
    let mut hears = FederationClient::new(channel).session(flood).await.unwrap().into_inner();
    let slowed = async {
        while let Ok(Some(message)) = hears.message().await {
            if matches!(&message.message, Some(Heard::Refused(refused)) if refused.what == "rate") {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(DEADLINE, slowed).await.unwrap(), "the session ended");

    let mut of_east =
        Member::start("east", &east, hub.reference(&east), |o| drop(o.peers.insert(mesh("north"), north.peer())));
    let _of_north = Member::start("north", &north, hub.reference(&east), |offer| {
        offer.peers.insert(mesh("east"), east.peer());
        offer.exports = BTreeMap::from([(mesh("east"), web(&["a"]))]);
    });
    of_east.tokens(&["a"]).await;
}
