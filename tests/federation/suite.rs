//! The conformance suite's cases of federation, on the meshes that are here: they pass, and nothing is left in either. All of them:
//! `isthmus conformance run --peer-kubeconfig`.

use isthmus_tests::suite;

use crate::scene::Scene;

/// Two that make most of what the suite can make in a peer.
const CASES: [&str; 2] = ["federation-equal-accounts", "federation-export-withdrawn"];

pub(crate) fn passes_and_leaves_nothing(scene: &Scene) -> anyhow::Result<()> {
    scene.shared()?;
    let [own, peer] = [scene.east(), scene.west()].map(|mesh| mesh.kubeconfig.to_string_lossy().into_owned());
    suite::passes(&mut scene.meshes.isthmus(), &["--kubeconfig", &own, "--peer-kubeconfig", &peer], &CASES)?;
    [scene.east(), scene.west()].iter().try_for_each(|mesh| suite::leaves_nothing(&mesh.kubectl))
}
