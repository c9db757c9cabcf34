//! Manifests that `isthmus migrate` and `isthmus export` read: any text.
#![no_main]

use isthmus_migrate::{From, export, migrate, read, yaml};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(documents) = read("f", text) else { return };
    for from in [From::Auto, From::Osm, From::TraefikMesh, From::Smi] {
        let Ok(outcome) = migrate(&documents, from) else { continue };
        // Whatever was read is printed, told of, or passed over.
        let accounted = outcome.objects.len() + outcome.findings.len() + outcome.unchanged.len();
        assert!(documents.is_empty() || accounted > 0);
        // What is printed is read again.
        let none: &[String] = &[];
        let printed = yaml(outcome.objects.iter().map(|object| (object, none))).expect("objects are YAML");
        assert_eq!(read("again", &printed).map(|again| again.len()), Ok(outcome.objects.len()));
    }
    let options = export::Options { port: Some(80), all_services: false };
    let exported = export::gateway_api(&documents, options);
    assert_eq!(exported.outcome.objects.len(), exported.caveats.len());
});
