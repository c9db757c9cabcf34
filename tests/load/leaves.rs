//! Leaves that live for seconds: every proxy is on its sixth when the load ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::bail;
use isthmus_tests::{cluster::Cluster, wait::until};

use crate::{
    proxies,
    stage::{PATIENCE, Stage},
};

const NAMESPACE: &str = "isthmus-system";
const CONTROLLER: &str = "deployment/isthmus-controller";
const SETTING: &str = "ISTHMUS_LEAF_LIFETIME";
/// A third of it is left to be renewed in.
const LIFETIME_SECONDS: u64 = 10;
const TURNS: usize = 5;

pub(crate) fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let _short = ShortLeaves::set(cluster)?;
    let stage = Stage::set(cluster, "load-leaves", 2, 1, &[])?;
    let proxies = proxies::all(&stage)?;
    // When each certificate ends that was seen.
    let mut seen: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    until(&format!("{TURNS} renewals by every proxy"), PATIENCE, || {
        for proxy in &proxies {
            seen.entry(&proxy.pod).or_default().insert(proxy.metric("isthmus_certificate_expiry_seconds")?);
        }
        if seen.values().any(|ends| ends.len() <= TURNS) { bail!("certificates that end at {seen:?}") } else { Ok(()) }
    })?;
    stage.go_on()?;
    for proxy in &proxies {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let end = proxy.metric("isthmus_certificate_expiry_seconds")?;
        if !(now..=now + LIFETIME_SECONDS).contains(&end) {
            bail!("{} has a certificate that ends at {end}, and now is {now}", proxy.pod);
        }
        println!("    {}: {} certificates", proxy.pod, proxy.certificates()?);
        proxy.expect_no_failed_handshake()?;
    }
    stage.finish().map(drop)
}

/// While it lives, the controller issues such leaves.
struct ShortLeaves<'a>(&'a Cluster);

impl<'a> ShortLeaves<'a> {
    fn set(cluster: &'a Cluster) -> anyhow::Result<Self> {
        let guard = Self(cluster);
        guard.restart_with(&format!("{SETTING}={LIFETIME_SECONDS}s"))?;
        Ok(guard)
    }

    fn restart_with(&self, setting: &str) -> anyhow::Result<()> {
        self.0.kubectl.run(&["set", "env", "-n", NAMESPACE, CONTROLLER, setting])?;
        self.0.kubectl.run(&["rollout", "status", "-n", NAMESPACE, CONTROLLER, "--timeout=120s"]).map(drop)
    }
}

impl Drop for ShortLeaves<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.restart_with(&format!("{SETTING}-")) {
            println!("{error:#}");
        }
    }
}
