//! `isthmus federation invite`: one text that lets one mesh join, once.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use isthmus_core::{federation::MeshName, id::TrustDomain};
use isthmus_federation::invitation::{Invitation, Terms};
use isthmus_identity::{Bundle, BundleDigest};
use isthmus_k8s::federation::{
    Mesh, MeshPeer,
    invitation::{self, ERROR, Side as Of, State, secret_name},
};
use isthmus_smi_controller::{PUBLISHED_ROOTS, PUBLISHED_ROOTS_ENTRY};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, ResourceExt,
    api::{ListParams, PostParams},
};
use serde::Serialize;

use super::{
    target::{Side, Target},
    waiting::{self, Look},
};
use crate::{args::Output, output, progress::Progress};

/// A controller that leads looks at new Secrets at once.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Args)]
pub(crate) struct InviteArgs {
    /// How long it can be used: 90s, 30m, 1h, 7d
    #[arg(long, default_value = "1h", value_parser = duration)]
    expires: Duration,
    /// The one mesh that may use it
    #[arg(long, value_name = "MESH")]
    to: Option<MeshName>,
    #[command(flatten)]
    target: Target,
    /// How to print it
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// An invitation that the hub knows.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invited {
    /// The secret text: for who is invited, and nobody else.
    pub(crate) invitation: String,
    mesh: String,
    id: String,
    /// Unix seconds.
    expires: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

pub(super) async fn run(args: &InviteArgs) -> anyhow::Result<ExitCode> {
    let side = args.target.side().await?;
    // Stdout is for the invitation alone, so that it can be piped.
    let invited = invite(&side, args.expires, args.to.as_ref(), &Progress::to_stderr()).await?;
    output::print_one(args.output, &invited, |invited| format!("{}\n", invited.invitation))?;
    if args.output == Output::Table {
        let minutes = args.expires.as_secs().div_ceil(60);
        eprintln!(
            "\nOne mesh can use it, once, within {minutes} min: isthmus federation join <invitation>\nHand it on as you would a password."
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes an invitation, and waits until the hub knows it.
pub(crate) async fn invite(
    side: &Side,
    expires: Duration,
    to: Option<&MeshName>,
    progress: &Progress,
) -> anyhow::Result<Invited> {
    let terms = terms(side, expires).await?;
    let expires = terms.expires;
    let invitation = Invitation::generate(terms)?;
    let (id, text) = (invitation.id.to_string(), invitation.to_text());
    let secrets: Api<Secret> = Api::namespaced(side.client.clone(), &side.namespace);
    let secret = invitation::secret(&side.namespace, &id, Of::Inviter, text.expose(), to.map(MeshName::as_str));
    secrets.create(&PostParams::default(), &secret).await.context("writing the invitation's Secret")?;
    let name = secret_name(&id);
    let look = || async {
        let secret = secrets.get_opt(&name).await?.with_context(|| format!("Secret {name} was deleted"))?;
        let error = secret.annotations().get(ERROR);
        match State::of(&secret) {
            Some(State::Announced | State::Used) => Ok(Look::Done(())),
            Some(State::Expired) => bail!("it has expired already; is this machine's clock right?"),
            Some(State::Refused) => bail!("the hub refused it: {}", error.map_or("it didn't say why", String::as_str)),
            None => Ok(Look::Because(
                error.cloned().unwrap_or_else(|| "the controller hasn't told the hub of it yet".into()),
            )),
        }
    };
    if let Err(error) = waiting::until(progress, "the hub knows the invitation", PATIENCE, look).await {
        // Nobody has it: it needn't be kept.
        let _ = secrets.delete(&name, &Default::default()).await;
        return Err(error.context("the invitation was withdrawn"));
    }
    Ok(Invited {
        invitation: text.expose().to_owned(),
        mesh: side.mesh.to_string(),
        id,
        expires,
        to: to.map(ToString::to_string),
    })
}

/// What the invitation says: where the hub is, off the own Mesh; whom to believe, off the roots themselves.
async fn terms(side: &Side, expires: Duration) -> anyhow::Result<Terms> {
    let name = &side.mesh;
    let own = side.all::<Mesh>().get_opt(name.as_str()).await?;
    let own = own.with_context(|| {
        format!("there is no Mesh {name}: apply one with the hub's address in spec.hub, or join a mesh that has a hub")
    })?;
    let hub = own.spec.hub.as_ref();
    let hub = hub.with_context(|| {
        format!(
            "Mesh {name} has no spec.hub: write the hub's address and identity there, or join a mesh that has a hub"
        )
    })?;
    let bundle = own_bundle(side).await?;
    let hub_identity: isthmus_core::id::SpiffeId =
        hub.identity.parse().with_context(|| format!("spec.hub.identity of Mesh {name}"))?;
    let hub_bundle = if hub_identity.trust_domain() == &side.trust_domain {
        bundle
    } else {
        digest_of_hub(side, hub_identity.trust_domain().as_str()).await?
    };
    Ok(Terms {
        hub: vec![hub.address.as_str().into()],
        hub_identity,
        hub_bundle,
        mesh: name.clone(),
        trust_domain: side.trust_domain.clone(),
        bundle,
        expires: expiry(SystemTime::now(), expires),
    })
}

/// This mesh's own bundle, as its controller keeps it where no hub may write: the status of a Mesh in the hub's cluster is the
/// hub's to write too, and whoever has the hub could have others pin roots of their own.
async fn own_bundle(side: &Side) -> anyhow::Result<BundleDigest> {
    let maps: Api<ConfigMap> = Api::namespaced(side.client.clone(), &side.namespace);
    let roots = maps.get_opt(PUBLISHED_ROOTS).await?.and_then(|map| map.data?.remove(PUBLISHED_ROOTS_ENTRY));
    let roots = roots.with_context(|| {
        format!("the controller of {} hasn't published its roots yet; try again in a moment", side.mesh)
    })?;
    digest_of_roots(side.trust_domain.clone(), &roots)
}

fn digest_of_roots(domain: TrustDomain, pem: &str) -> anyhow::Result<BundleDigest> {
    // The sequence is no part of the digest.
    Ok(BundleDigest::of(&Bundle::from_pem(domain, pem, 0)?))
}

/// The bundle of the hub's mesh, which isn't this one: a peer's, or the one that this mesh was itself invited with.
async fn digest_of_hub(side: &Side, domain: &str) -> anyhow::Result<BundleDigest> {
    let peers = side.all::<MeshPeer>().list(&ListParams::default()).await?;
    let peer = peers.iter().find(|peer| peer.spec.trust_domain == domain);
    if let Some(held) = peer.and_then(|peer| peer.status.as_ref()?.bundle.as_ref()) {
        return Ok(held.digest.parse()?);
    }
    let secrets: Api<Secret> = Api::namespaced(side.client.clone(), &side.namespace);
    let ours = ListParams::default().labels(&format!("{}={}", invitation::SIDE, Of::Joiner.as_str()));
    let of_hub = secrets.list(&ours).await?.iter().find_map(|secret| {
        let joined = Invitation::parse(invitation::text(secret)?).ok()?;
        (joined.terms.hub_identity.trust_domain().as_str() == domain).then_some(joined.terms.hub_bundle)
    });
    of_hub.ok_or_else(|| {
        anyhow!("this mesh holds no bundle of {domain}, the hub's trust domain; have a mesh of the hub invite instead")
    })
}

fn expiry(now: SystemTime, lifetime: Duration) -> i64 {
    let end = now.checked_add(lifetime).and_then(|end| end.duration_since(SystemTime::UNIX_EPOCH).ok());
    end.and_then(|end| i64::try_from(end.as_secs()).ok()).unwrap_or(i64::MAX)
}

/// The longest life of an invitation: a forgotten one mustn't be found in a year.
const LONGEST: Duration = Duration::from_secs(30 * 86400);

fn duration(text: &str) -> Result<Duration, String> {
    let bad =
        || format!("{text:?} must be a number and s, m, h or d, from 1s to {}d, like 30m", LONGEST.as_secs() / 86400);
    let (number, unit) =
        text.char_indices().next_back().and_then(|(at, _)| text.split_at_checked(at)).ok_or_else(bad)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(bad()),
    };
    let number: u64 = number.parse().map_err(|_| bad())?;
    let duration = number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(bad)?;
    if duration.is_zero() || duration > LONGEST { Err(bad()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use isthmus_identity::Authority;

    use super::*;

    #[test]
    fn lifetimes_have_a_unit_and_an_end() {
        for (text, seconds) in [("1s", 1), ("30m", 1800), ("1h", 3600), ("30d", 30 * 86400)] {
            assert_eq!(duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "h", "0s", "31d", "5", "-1h", "1w", "1.5h", "99999999999999999999h", "5µ"] {
            assert!(duration(text).unwrap_err().contains("like 30m"), "{text}");
        }
    }

    #[test]
    fn an_expiry_is_in_seconds_of_the_epoch_and_never_wraps() {
        let epoch = SystemTime::UNIX_EPOCH;
        assert_eq!(expiry(epoch + Duration::from_secs(5), Duration::from_secs(10)), 15);
        assert_eq!(expiry(epoch, Duration::MAX), i64::MAX);
    }

    #[test]
    fn the_digest_is_of_the_roots_and_the_domain_alone() {
        let domain = |name: &str| TrustDomain::new(name).unwrap();
        let now = SystemTime::now();
        let root = |of: &str| Authority::generate(domain(of), now, Duration::from_secs(3600)).unwrap();
        let (east, other) = (root("east.local"), root("east.local"));
        let pem = east.bundle(7).to_pem();
        let digest = digest_of_roots(domain("east.local"), &pem).unwrap();
        assert_eq!(digest, BundleDigest::of(&east.bundle(1)));
        assert_ne!(digest, digest_of_roots(domain("east.local"), &other.bundle(7).to_pem()).unwrap());
        assert!(digest_of_roots(domain("east.local"), "no roots").is_err());
    }
}
