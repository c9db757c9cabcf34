use super::*;

fn samples(of: impl Fn(usize) -> (f64, usize)) -> Vec<Vec<Sample>> {
    vec![(0..100).map(of).map(|(rss_mib, files)| Sample { rss_mib, files }).collect()]
}

#[test]
fn what_is_flat_passes_and_warming_up_is_no_growth() {
    judge(&["caller"], &samples(|_| (20.0, 40))).unwrap();
    judge(&["caller"], &samples(|i| if i < 20 { (8.0, 10) } else { (20.0, 40) })).unwrap();
    // Up and down by chance.
    judge(&["caller"], &samples(|i| (20.0 + (i % 7) as f64, 40 + i % 5))).unwrap();
}

#[test]
fn a_leak_of_memory_or_files_fails() {
    // 2 MiB an hour would pass half an hour; 10 MiB do not.
    let error = judge(&["caller"], &samples(|i| (20.0 + i as f64 / 10.0, 40))).unwrap_err().to_string();
    assert!(error.contains("caller: from 22.9 to 28.9 MiB resident"), "{error}");
    let error = judge(&["caller"], &samples(|i| (20.0, 40 + i / 2))).unwrap_err().to_string();
    assert!(error.contains("open files"), "{error}");
}

#[test]
fn a_few_samples_say_nothing() {
    let few = vec![vec![Sample { rss_mib: 1.0, files: 1 }; 14]];
    assert!(judge(&["caller"], &few).unwrap_err().to_string().contains("14 samples"));
}
