//! The authorizer against a naive model: one that walks over everything that a grant could mean, and has no short cuts.

use std::collections::BTreeSet;

use http::HeaderMap;
use proptest::prelude::*;

use super::*;
use crate::{
    http_match::{HttpMatch, HttpMatchSpec},
    inbound::{Cidr, Exemptions, PortSet},
};

static ACCOUNTS: [&str; 3] = ["a", "b", "c"];
static ADDRS: [&str; 4] = ["10.0.0.1", "10.0.0.2", "10.0.1.1", "::ffff:10.0.0.1"];
static PORTS: [u16; 3] = [80, 81, 82];
static PATHS: [&str; 3] = ["/x", "/y", "/healthz"];
static METHODS: [&str; 2] = ["GET", "POST"];

/// A route as the model reads it: exactly these methods (none: all) at exactly this path.
#[derive(Debug, Clone)]
struct Route {
    methods: Vec<&'static str>,
    path: &'static str,
}

/// A grant in lists of what it covers.
#[derive(Debug, Clone)]
struct Rule {
    /// Account, and the addresses that it must come from, if that matters.
    sources: Vec<(&'static str, Option<Vec<&'static str>>)>,
    tcp: Option<Vec<u16>>,
    udp: Option<Vec<u16>>,
    routes: Option<Vec<Route>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Http(&'static str, &'static str),
    Tcp,
    Udp,
}

#[derive(Debug, Clone)]
struct World {
    mode: PolicyMode,
    rules: Vec<Rule>,
    open_ports: Vec<u16>,
    open_sources: Vec<&'static str>,
    node: Option<&'static str>,
    probes: Vec<(u16, Option<&'static str>)>,
}

#[derive(Debug, Clone)]
struct Call {
    account: Option<&'static str>,
    addr: &'static str,
    port: u16,
    what: What,
}

fn id(account: &str) -> SpiffeId {
    format!("spiffe://td/ns/default/sa/{account}").parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse::<IpAddr>().unwrap().to_canonical()
}

fn same(one: &str, other: &str) -> bool {
    ip(one) == ip(other)
}

impl Rule {
    fn covers(&self, call: &Call) -> bool {
        let source = |(account, from): &(&str, Option<Vec<&str>>)| {
            call.account == Some(*account) && from.as_ref().is_none_or(|from| from.iter().any(|a| same(a, call.addr)))
        };
        let (ports, content) = match call.what {
            What::Udp => (&self.udp, true),
            What::Tcp => (&self.tcp, self.routes.is_none()),
            What::Http(method, path) => {
                let routed = |r: &Route| r.path == path && (r.methods.is_empty() || r.methods.contains(&method));
                (&self.tcp, self.routes.as_ref().is_none_or(|routes| routes.iter().any(routed)))
            }
        };
        // A route without ports is one for all of them.
        let port = ports.as_ref().is_some_and(|ports| ports.is_empty() || ports.contains(&call.port));
        self.sources.iter().any(source) && port && content
    }

    fn compiled(&self, name: usize) -> Grant {
        let ports = |ports: &Option<Vec<u16>>| {
            let ports = ports.as_ref()?;
            Some(if ports.is_empty() { PortSet::All } else { PortSet::Only(ports.iter().copied().collect()) })
        };
        let source = |(account, from): &(&str, Option<Vec<&str>>)| match from {
            None => Source::Identity(id(account)),
            Some(from) => Source::Pods(id(account), from.iter().map(|addr| ip(addr)).collect()),
        };
        let route = |route: &Route| {
            let methods = route.methods.iter().map(ToString::to_string).collect();
            let path_regex = Some(format!("{}$", route.path));
            HttpMatch::compile(HttpMatchSpec { path_regex, methods, ..HttpMatchSpec::default() }).unwrap()
        };
        let http = self.routes.as_ref();
        Grant {
            name: ObjectName::new("default", name.to_string()),
            sources: self.sources.iter().map(source).collect(),
            tcp: ports(&self.tcp),
            udp: ports(&self.udp),
            http: http.map_or(HttpScope::Opaque, |routes| HttpScope::Only(routes.iter().map(route).collect())),
        }
    }
}

impl World {
    fn policy(&self) -> InboundPolicy {
        InboundPolicy {
            mode: self.mode,
            grants: self.rules.iter().enumerate().map(|(name, rule)| rule.compiled(name)).collect(),
            exempt: Exemptions {
                ports: self.open_ports.iter().copied().collect(),
                sources: self.open_sources.iter().map(|addr| Cidr { addr: ip(addr), prefix: 32 }).collect(),
                node: self.node.iter().map(|addr| ip(addr)).collect(),
                probes: self.probes.iter().map(|(port, path)| (*port, path.map(str::to_owned))).collect(),
            },
            ..InboundPolicy::default()
        }
    }

    fn is_probe(&self, call: &Call) -> bool {
        let declared = |(port, path): &(u16, Option<&'static str>)| {
            *port == call.port
                && match path {
                    Some(path) => call.what == What::Http("GET", path),
                    None => call.what == What::Tcp,
                }
        };
        call.account.is_none()
            && self.node.is_some_and(|node| same(node, call.addr))
            && self.probes.iter().any(declared)
    }

    fn is_exempt(&self, call: &Call) -> bool {
        self.open_ports.contains(&call.port) || self.open_sources.iter().any(|addr| same(addr, call.addr))
    }

    /// Would `enforce` let it in?
    fn lets_in(&self, call: &Call) -> bool {
        self.is_probe(call)
            || match call.account {
                None => self.is_exempt(call),
                Some(_) => self.rules.iter().any(|rule| rule.covers(call)),
            }
    }
}

fn decide<'a>(policy: &'a InboundPolicy, call: &Call) -> Result<Allowed<'a>, DenyCode> {
    let identity = call.account.map(id);
    let headers = HeaderMap::new();
    let asked = match call.what {
        What::Http(method, path) => Asked::Http(HttpRequest { method, path, authority: "a", headers: &headers }),
        What::Tcp => Asked::Tcp,
        What::Udp => Asked::Udp,
    };
    let peer = Peer { identity: identity.as_ref(), addr: call.addr.parse().unwrap() };
    authorize(policy, peer, call.port, asked)
}

fn some_of<T: Clone + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = Vec<T>> + Clone {
    prop::sample::subsequence(all, 0..=all.len())
}

fn any_of<T: Clone + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> + Clone {
    prop::sample::select(all)
}

fn rule() -> impl Strategy<Value = Rule> {
    let source = (any_of(&ACCOUNTS), prop::option::of(some_of(&ADDRS)));
    let route = (some_of(&METHODS), any_of(&PATHS)).prop_map(|(methods, path)| Route { methods, path });
    let parts = (
        prop::collection::vec(source, 0..3),
        prop::option::weighted(0.8, some_of(&PORTS)),
        prop::option::of(some_of(&PORTS)),
        prop::option::of(prop::collection::vec(route, 0..3)),
    );
    parts.prop_map(|(sources, tcp, udp, routes)| Rule { sources, tcp, udp, routes })
}

fn world() -> impl Strategy<Value = World> {
    let mode =
        prop_oneof![4 => Just(PolicyMode::Enforce), 1 => Just(PolicyMode::Audit), 1 => Just(PolicyMode::Permissive)];
    let probe = (any_of(&PORTS), prop::option::of(any_of(&PATHS)));
    let parts = (
        mode,
        prop::collection::vec(rule(), 0..5),
        prop::collection::vec(any_of(&PORTS), 0..2),
        prop::collection::vec(any_of(&ADDRS), 0..2),
        prop::option::of(any_of(&ADDRS)),
        prop::collection::vec(probe, 0..3),
    );
    parts.prop_map(|(mode, rules, open_ports, open_sources, node, probes)| World {
        mode,
        rules,
        open_ports,
        open_sources,
        node,
        probes,
    })
}

/// Every call that there is between these accounts, addresses, ports, methods and paths.
fn all_calls() -> Vec<Call> {
    let http = METHODS.iter().flat_map(|method| PATHS.iter().map(move |path| What::Http(method, path)));
    let whats: Vec<What> = http.chain([What::Tcp, What::Udp]).collect();
    let accounts = ACCOUNTS.iter().map(|account| Some(*account)).chain([None]);
    let from = accounts.flat_map(|account| ADDRS.iter().map(move |addr| (account, *addr)));
    let to = |(account, addr)| PORTS.iter().map(move |port| (account, addr, *port));
    let calls = from.flat_map(to);
    calls
        .flat_map(|(account, addr, port)| whats.iter().map(move |what| Call { account, addr, port, what: *what }))
        .collect()
}

proptest! {
    // Each case is some hundreds of calls.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_call_is_decided_as_the_model_says(world in world()) {
        let policy = world.policy();
        for call in all_calls() {
            let decision = decide(&policy, &call);
            match world.mode {
                PolicyMode::Permissive => prop_assert_eq!(&decision, &Ok(Allowed::Permissive), "{:?}", call),
                PolicyMode::Audit => {
                    let audited = matches!(decision, Ok(Allowed::Audit(_)));
                    prop_assert!(decision.is_ok() && audited != world.lets_in(&call), "{call:?} {decision:?}");
                }
                PolicyMode::Enforce => prop_assert_eq!(decision.is_ok(), world.lets_in(&call), "{:?}", call),
            }
            // A grant that is named is one that covers the call.
            if let Ok(Allowed::Grant(name)) = &decision {
                let index: usize = name.name.parse().unwrap();
                prop_assert!(world.rules[index].covers(&call), "{call:?} {name:?}");
            }
        }
    }

    #[test]
    fn a_grant_more_denies_nothing_and_their_order_is_of_no_account(world in world(), more in rule()) {
        let wider = World { rules: world.rules.iter().cloned().chain([more]).collect(), ..world.clone() };
        let turned = World { rules: world.rules.iter().rev().cloned().collect(), ..world.clone() };
        let policies = [world.policy(), wider.policy(), turned.policy()];
        for call in all_calls() {
            let [now, wider, turned] = policies.each_ref().map(|policy| decide(policy, &call).map(drop));
            prop_assert!(now.is_err() || wider.is_ok(), "{call:?}");
            // The code of a denial doesn't depend on the order either.
            prop_assert_eq!(now, turned, "{:?}", call);
        }
    }

    /// smi.md §5 A34.
    #[test]
    fn no_connection_is_cut_while_some_call_on_it_is_let_in(world in world()) {
        let policy = world.policy();
        let calls = all_calls();
        let connections: BTreeSet<_> = calls.iter().map(|c| (c.account, c.addr, c.port)).collect();
        for (account, addr, port) in connections {
            let identity = account.map(id);
            let peer = Peer { identity: identity.as_ref(), addr: addr.parse().unwrap() };
            for http in [true, false] {
                let kept = could_be_allowed(&policy, peer, port, http).is_ok();
                let on_it = |c: &&Call| {
                    (c.account, c.addr, c.port) == (account, addr, port)
                        && if http { matches!(c.what, What::Http(..)) } else { c.what == What::Tcp }
                };
                let some = calls.iter().filter(on_it).any(|call| decide(&policy, call).is_ok());
                prop_assert!(kept || !some, "{account:?} {addr} {port} {http}: cut, though something is allowed");
                prop_assert!(some || !kept || http, "{account:?} {addr} {port}: kept for nothing");
            }
        }
    }
}
