//! Runs cases: several at a time, each in namespaces of its own, which go when it has ended.

mod api;
mod scene;
mod step;

use std::time::{Duration, Instant};

use futures::{StreamExt, future::join_all, stream};

use crate::{
    Error,
    case::Case,
    manifest,
    meshes::{Meshes, Parties, Side, Words},
    profile::Profile,
    report::{CaseResult, Failure, Outcome},
    versions,
};
use scene::Scene;

/// The feature of meshes whose identities the suite can name.
pub const KNOWN_IDENTITIES: &str = "spiffe";

/// How cases are run.
#[derive(Debug, Clone)]
pub struct Options {
    /// What tells this run's namespaces from those of others.
    pub run: String,
    /// The image of the suite's program.
    pub image: String,
    /// How many cases at a time.
    pub parallel: usize,
    /// How long an expectation may take to hold.
    pub timeout: Duration,
    /// Whether a failed case's namespaces stay, to be looked at.
    pub keep: bool,
}

/// What a run tells while it goes on.
#[derive(Debug)]
pub enum Event<'a> {
    /// A case has begun.
    Began(&'a Case),
    /// A case has ended.
    Ended(&'a CaseResult),
}

/// Runs cases; the results are in the order of the cases.
pub async fn run(
    meshes: &Meshes,
    profile: &Profile,
    cases: &[Case],
    options: &Options,
    tell: &(dyn Fn(Event<'_>) + Sync),
) -> Vec<CaseResult> {
    let one = async |(number, case): (usize, &Case)| {
        tell(Event::Began(case));
        let begun = Instant::now();
        let outcome = outcome(meshes, profile, case, options).await;
        let result = CaseResult::new(case, outcome, begun.elapsed());
        tell(Event::Ended(&result));
        (number, result)
    };
    let ended = stream::iter(cases.iter().enumerate()).map(one).buffer_unordered(options.parallel.max(1));
    let mut results: Vec<(usize, CaseResult)> = ended.collect().await;
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Deletes what a run has left (or all have), and waits for its end. How many namespaces there were.
///
/// # Errors
/// A cluster refuses, or they don't go.
pub async fn clean(meshes: &Meshes, run: Option<&str>) -> Result<usize, Error> {
    let clusters: Vec<_> = meshes.clusters().collect();
    // One that can't be reached keeps nothing in the other.
    let cleaned = join_all(clusters.iter().map(|cluster| cluster.clean(run))).await;
    cleaned.into_iter().sum()
}

/// The objects of a case before its first step, as they would be applied, or why it isn't tried.
///
/// # Errors
/// The mesh lacks what the case needs, or a peer.
pub fn plan(
    case: &Case,
    profile: &Profile,
    parties: &Parties,
    options: &Options,
) -> Result<Vec<(Side, serde_json::Value)>, String> {
    let case = fitting(case, profile, parties)?;
    let words = Words { namespace: manifest::namespace(&options.run, &case), parties };
    let mut planned = Vec::new();
    for side in case.sides() {
        let mut objects = manifest::namespaces(&case, profile, &options.run);
        objects.extend(manifest::objects(&case, profile, &words, &options.image, side));
        for mut object in objects {
            versions::rewrite(&mut object, profile)?;
            planned.push((side, object));
        }
    }
    Ok(planned)
}

fn fitting(case: &Case, profile: &Profile, parties: &Parties) -> Result<Case, String> {
    if let Some(need) = profile.lacks(case) {
        return Err(format!("{} hasn't {need}", profile.title));
    }
    if parties.peer.is_none() && case.sides().any(|side| side == Side::Peer) {
        return Err("it needs a second mesh, joined with this one: name its cluster by --peer-kubeconfig".to_owned());
    }
    versions::fit(case, profile).map_err(|why| format!("{}: {why}", profile.title))
}

async fn outcome(meshes: &Meshes, profile: &Profile, case: &Case, options: &Options) -> Outcome {
    if meshes.parties.own.is_none() && case.needs.iter().any(|need| need == KNOWN_IDENTITIES) {
        return Outcome::Skipped("the mesh's trust domain can't be read off its control plane".to_owned());
    }
    let case = match fitting(case, profile, &meshes.parties) {
        Ok(case) => case,
        Err(why) => return Outcome::Skipped(why),
    };
    let mut scene = Scene::new(meshes, profile, &case, options);
    let tried = async {
        scene.set_up().await?;
        for (number, step) in (1..).zip(&case.steps) {
            if let Some(failure) = scene.step(number, step).await? {
                return Ok(Some(failure));
            }
        }
        Ok::<_, Error>(None)
    };
    let outcome = match tried.await {
        Ok(None) => Outcome::Passed,
        Ok(Some(failure)) => Outcome::Failed(Box::new(failure)),
        Err(error) => Outcome::Failed(Box::new(Failure { why: error.line(), ..Failure::default() })),
    };
    if options.keep && matches!(outcome, Outcome::Failed(_)) {
        return outcome;
    }
    match scene.tear_down().await {
        Ok(()) => outcome,
        Err(error) => outcome.and_left(&error.line()),
    }
}
