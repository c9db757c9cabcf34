//! Meshes that are broken on purpose: what the conformance suite is held against, to show that it would notice.
//!
//! Nothing of it is in the product. Without the cargo feature `broken`, which no release has, [`is`] is the constant
//! `false`. With it, a process has the fault that the variable [`VARIABLE`] names, and says so when it starts.

/// Names the fault that a process has. The control plane hands it on to the sidecars that it injects.
pub const VARIABLE: &str = "ISTHMUS_BROKEN";

macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $fault:ident = $name:literal,)+) => {
        /// One thing that a mesh can do wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault {
            $($(#[doc = $doc])+ $fault,)+
        }

        #[cfg(feature = "broken")]
        impl Fault {
            /// All that there are.
            pub const ALL: &[Self] = &[$(Self::$fault,)+];

            /// As [`VARIABLE`] names it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$fault => $name,)+
                }
            }
        }
    };
}

faults! {
    // --- access ---
    /// Nothing is denied.
    NoAuthorization = "no-authorization",
    /// TCP connections need no grant.
    TcpAllowed = "tcp-allowed",
    /// A denied HTTP request gets no answer: its connection is closed.
    DenyByReset = "deny-by-reset",
    /// Whoever has an identity is a source of every target.
    AnySource = "any-source",
    /// A source's namespace isn't looked at, only its ServiceAccount's name.
    AnyNamespace = "any-namespace",
    /// A target may open a destination in another namespace.
    ForeignTargets = "foreign-targets",
    /// A deleted target still admits.
    StaleGrants = "stale-grants",
    /// A target that is there is never read again.
    FrozenGrants = "frozen-grants",
    /// Of several targets that cover a request, the first decides alone who may send it.
    FirstRouteWins = "first-route-wins",
    /// Of several targets with the same destination, only the first counts.
    FirstTargetWins = "first-target-wins",
    /// A target without rules allows everything.
    EmptyRulesAllow = "empty-rules-allow",
    /// A rule without `matches` allows nothing of its group.
    NoMatchesNothing = "no-matches-nothing",
    /// A rule's `matches` are ignored: the whole group is allowed.
    MatchNamesIgnored = "match-names-ignored",
    /// Rules of which nothing is there allow everything.
    MissingRouteOpens = "missing-route-opens",
    /// A TCPRoute beside an HTTPRouteGroup opens its ports to any request.
    PortsOrRoutes = "ports-or-routes",
    /// The ports of TCPRoutes are ignored.
    PortsIgnored = "ports-ignored",
    /// IdentityBindings name nobody.
    BindingsIgnored = "bindings-ignored",
    /// The SPIFFE IDs of IdentityBindings name nobody.
    BindingsSpiffeIgnored = "bindings-spiffe-ignored",

    // --- specs ---
    /// A path expression must match the whole path.
    PrefixAsExact = "prefix-as-exact",
    /// A path expression may match anywhere in the path.
    RegexUnanchored = "regex-unanchored",
    /// The path includes the query.
    QueryInPath = "query-in-path",
    /// Conditions on headers are ignored.
    HeadersIgnored = "headers-ignored",
    /// Of several conditions on headers, one is enough.
    AnyHeader = "any-header",
    /// `headers` as a list of maps is ignored.
    HeaderListIgnored = "header-list-ignored",
    /// Methods are ignored.
    MethodsIgnored = "methods-ignored",
    /// `GET` includes `HEAD`.
    GetIsHead = "get-is-head",
    /// Methods have no case.
    MethodsAnyCase = "methods-any-case",

    // --- split ---
    /// All weights count as equal.
    WeightsIgnored = "weights-ignored",
    /// Weight 0 counts as 1.
    ZeroWeightServed = "zero-weight-served",
    /// A split's `matches` are ignored: every request is split.
    MatchesIgnored = "matches-ignored",
    /// A backend that has a split of its own is divided by that.
    SplitsNested = "splits-nested",
    /// A split also holds for a Service of a namespace whose name only begins the split's.
    NamespaceByPrefix = "namespace-by-prefix",
    /// Of a split's `matches`, only the first group counts.
    FirstGroupOnly = "first-group-only",
    /// A backend without the root's port is called at its first one.
    PortMismatchServed = "port-mismatch-served",
    /// A backend that isn't there keeps its share.
    MissingBackendKept = "missing-backend-kept",
    /// A backend outside of the cluster keeps its share.
    ExternalBackendKept = "external-backend-kept",
    /// Where nothing is denied, nothing is split.
    PermissiveUnsplit = "permissive-unsplit",
    /// A root can't be its own backend.
    SelfRefused = "self-refused",
    /// A root's name is taken as it is written, without its namespace and domain.
    BareRootOnly = "bare-root-only",
    /// `targetPort` is ignored: pods are called at the Service's port.
    TargetPortIgnored = "target-port-ignored",
    /// TCP connections aren't split.
    TcpUnsplit = "tcp-unsplit",
    /// A split that is there is never read again, and outlives its deletion.
    StaleSplits = "stale-splits",
    /// Of a Service's pods the first gets everything.
    FirstEndpointOnly = "first-endpoint-only",
    /// The first endpoints of a Service that a proxy learns of are its last.
    StaleEndpoints = "stale-endpoints",

    // --- versions ---
    /// v1alpha1 is converted by its `apiVersion` alone.
    VersionUnconverted = "version-unconverted",
    /// v1alpha2 isn't served.
    VersionUnserved = "version-unserved",
    /// What an older version can't hold is lost.
    ParkedLost = "parked-lost",
    /// A Quantity's value is taken without its scale: 1 is less than 500m.
    QuantitiesUnscaled = "quantities-unscaled",
    /// A port that an older version limits a target to is ignored.
    LegacyPortWidens = "legacy-port-widens",

    // --- metrics ---
    /// Successes are told as failures, and failures as successes.
    MetricsSwapped = "metrics-swapped",
    /// Every request counts twice.
    MetricsDoubled = "metrics-doubled",
    /// The 99th percentile is told as the 50th.
    MetricsP99AsP50 = "metrics-p99-as-p50",
    /// Edges are told the wrong way round.
    MetricsEdgesReversed = "metrics-edges-reversed",
    /// Label selectors of lists are ignored.
    MetricsSelectorIgnored = "metrics-selector-ignored",
    /// The window that is asked for is ignored.
    MetricsWindowIgnored = "metrics-window-ignored",
    /// What had no traffic can't be looked up.
    MetricsIdleFails = "metrics-idle-fails",
    /// The first kind of object that there are metrics of isn't among the resources.
    MetricsResourceMissing = "metrics-resource-missing",
    /// Every error is one of the server.
    MetricsErrors500 = "metrics-errors-500",
    /// The weights of a split's backends aren't told.
    MetricsWeightsLost = "metrics-weights-lost",

    // --- status and events ---
    /// No Event is raised.
    NoEvents = "no-events",
    /// `observedGeneration` of a status is the first for ever.
    StaleStatus = "stale-status",
    /// No condition of SMI's objects is ever written.
    NoStatus = "no-status",
    /// A status says of every object that all that it names is there.
    StatusFlatters = "status-flatters",

    // --- federation ---
    /// Programs aren't told who calls them.
    CallerUntold = "caller-untold",
    /// Callers of other meshes need no grant.
    ImportUnauthorized = "import-unauthorized",
    /// A source's trust domain isn't looked at, only its namespace and ServiceAccount.
    AnyTrustDomain = "any-trust-domain",
    /// What is exported to one mesh is exported to all.
    ExportsToEveryone = "exports-to-everyone",
    /// An export's ports are ignored: all are exported.
    ExportedPortsIgnored = "exported-ports-ignored",
    /// A Service that was imported once stays imported when its export is gone.
    ImportOutlivesExport = "import-outlives-export",
    /// Of another mesh's pods the first gets everything.
    RemoteEndpointsFirstOnly = "remote-endpoints-first-only",
    /// An import stands in for no Service.
    FailoverIgnored = "failover-ignored",
    /// Edges don't tell of which mesh the other end is.
    MetricsMeshLost = "metrics-mesh-lost",
}

/// The fault of this process, if the variable names one that there is.
#[cfg(feature = "broken")]
pub fn chosen() -> Result<Option<Fault>, UnknownFault> {
    let Some(name) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else { return Ok(None) };
    let found = Fault::ALL.iter().find(|fault| name == fault.as_str());
    found.copied().map(Some).ok_or_else(|| UnknownFault(name.to_string_lossy().into_owned()))
}

/// The variable names no fault.
#[cfg(feature = "broken")]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE}: {0:?} isn't a fault: `isthmus version -o json` lists them")]
pub struct UnknownFault(String);

/// Has this process the fault?
#[cfg(feature = "broken")]
pub fn is(fault: Fault) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<Fault>> = std::sync::OnceLock::new();
    *CHOSEN.get_or_init(|| chosen().unwrap_or_default()) == Some(fault)
}

/// Has this process the fault? No.
#[cfg(not(feature = "broken"))]
pub const fn is(_: Fault) -> bool {
    false
}

/// What to tell processes that are to share this one's fault.
pub fn handed_on() -> Option<(&'static str, &'static str)> {
    #[cfg(feature = "broken")]
    return chosen().ok().flatten().map(|fault| (VARIABLE, fault.as_str()));
    #[cfg(not(feature = "broken"))]
    None
}

#[cfg(all(test, not(feature = "broken")))]
mod tests {
    use super::*;

    /// At compile time: what is decided by it isn't even there.
    const NOTHING_IS_BROKEN: () = assert!(!is(Fault::NoAuthorization) && !is(Fault::StatusFlatters));

    #[test]
    fn the_product_has_no_fault_and_hands_none_on() {
        let () = NOTHING_IS_BROKEN;
        assert_eq!(handed_on(), None);
    }
}

#[cfg(all(test, feature = "broken"))]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn faults_have_names_of_their_own() {
        let names: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.as_str()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
    }
}
