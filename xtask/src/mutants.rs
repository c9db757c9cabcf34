//! `cargo xtask mutants`: the conformance suite against meshes that are broken on purpose (`crates/core/src/broken.rs`).
//!
//! A suite that passes says little until it is known what would make it fail. So each fault is put into a mesh of its own, the
//! whole suite runs against it, and exactly those cases must fail that `conformance/faults.yaml` names for it.

mod declared;
mod judge;
mod mesh;
mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context, bail};
use clap::Args;

use declared::Declared;
use judge::Outcome;
use mesh::Program;

/// The page that holds the table, and what it stands between.
const PAGE: &str = "docs/conformance.md";
const MARKS: (&str, &str) = ("<!-- mutants: begin -->\n", "<!-- mutants: end -->\n");

#[derive(Args)]
pub(crate) struct MutantsArgs {
    /// Only these faults, by commas; the table is of them alone
    #[arg(long, value_name = "FAULT,…", value_delimiter = ',')]
    only: Vec<String>,
    /// Of each mesh only the cases that ought to fail, and of the sound one all of these: in a fraction of the time, but what else
    /// fails goes unseen
    #[arg(long)]
    quick: bool,
    /// Take the results that earlier runs have left in target/mutants, and try only what they lack
    #[arg(long)]
    resume: bool,
    /// Try nothing: judge what earlier runs have left, also of cases that were tried alone
    #[arg(long, requires = "resume", conflicts_with = "quick")]
    known: bool,
    /// Take a program that was built with `--features broken`, instead of building it
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Write the table into docs/conformance.md
    #[arg(long, conflicts_with = "only")]
    docs: bool,
}

/// What each mesh's cases came to, by the fault's name; the sound mesh's name is empty.
type Results = BTreeMap<String, BTreeMap<String, Outcome>>;

pub(crate) fn run(args: &MutantsArgs) -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let declared = declared::read(&fs::read_to_string(root.join("conformance/faults.yaml"))?)?;
    let program = Program::ready(&root, args.program.as_deref())?;
    declared::must_be_all(&declared, &program.faults()?)?;
    let chosen = chosen(&declared, &args.only)?;
    let mut results = Results::new();
    let all_cases = program.cases()?;
    let all_declared: BTreeSet<String> = chosen.iter().flat_map(|fault| fault.fails.iter().cloned()).collect();
    // The sound mesh first: if it fails, the rest would show nothing.
    let meshes: Vec<&str> = std::iter::once("").chain(chosen.iter().map(|fault| fault.fault.as_str())).collect();
    for (number, fault) in meshes.iter().enumerate() {
        let begun = Instant::now();
        let kept = program.folder().join(format!("{}.json", if fault.is_empty() { "sound" } else { fault }));
        let tried = chosen.iter().find(|declared| declared.fault == *fault).map_or(&all_declared, |found| &found.fails);
        // Two meshes take their time: they are for what a case of two is about.
        let joined = fault.is_empty() || tried.iter().any(|case| case.starts_with("federation-"));
        let tried = if args.quick { tried } else { &all_cases };
        let known = if args.resume { fs::read_to_string(&kept).ok() } else { None };
        let mut outcomes = known.map_or_else(|| Ok(BTreeMap::new()), |known| judge::outcomes(&known))?;
        // A case that was written or renamed since.
        let missing: BTreeSet<String> = tried.iter().filter(|case| !outcomes.contains_key(*case)).cloned().collect();
        if !missing.is_empty() && !args.known {
            let only = Some(&missing).filter(|_| missing.len() < all_cases.len());
            let report = program.report(fault, joined, only).with_context(|| format!("the mesh with {fault:?}"))?;
            outcomes.extend(judge::outcomes(&report)?);
            fs::write(&kept, judge::report(&outcomes)?)?;
        }
        // A filter takes all cases that have it in their names.
        outcomes.retain(|case, _| tried.contains(case));
        let failed = outcomes.values().filter(|outcome| **outcome == Outcome::Failed).count();
        println!(
            "{:>3} of {}  {:<24} {failed} of {} cases failed, {:.1} s",
            number + 1,
            meshes.len(),
            if fault.is_empty() { "(sound)" } else { fault },
            outcomes.len(),
            begun.elapsed().as_secs_f64()
        );
        results.insert((*fault).to_owned(), outcomes);
    }
    let table = table::render(&chosen, &results);
    println!("\n{table}");
    if args.docs {
        write(&root.join(PAGE), &table)?;
    }
    let flaws = judge::judge(&chosen, &results, args.only.is_empty() && !args.quick);
    for flaw in &flaws {
        println!("{flaw}");
    }
    match flaws.len() {
        0 if args.quick => println!("every fault was noticed"),
        0 => println!("every fault was noticed, by exactly the cases that cover it"),
        count => bail!("{count} flaws in the matrix"),
    }
    Ok(())
}

fn chosen<'a>(declared: &'a [Declared], only: &[String]) -> anyhow::Result<Vec<&'a Declared>> {
    if let Some(unknown) = only.iter().find(|name| declared.iter().all(|fault| fault.fault != **name)) {
        bail!("--only: {unknown:?} isn't in conformance/faults.yaml");
    }
    Ok(declared.iter().filter(|fault| only.is_empty() || only.contains(&fault.fault)).collect())
}

fn write(page: &Path, table: &str) -> anyhow::Result<()> {
    let text = fs::read_to_string(page)?;
    let lacks = || format!("{} lacks {:?} and {:?}", page.display(), MARKS.0, MARKS.1);
    let (before, rest) = text.split_once(MARKS.0).with_context(lacks)?;
    let (_, after) = rest.split_once(MARKS.1).with_context(lacks)?;
    Ok(fs::write(page, format!("{before}{}{table}{}{after}", MARKS.0, MARKS.1))?)
}
