use super::*;

const STAT: &str = "31 (a) b (c) S 7 31 31 0 -1 4194560 1 2 3 4 150 50 9 9 20 0 3 0 77 1 2 3";

#[test]
fn fields_are_found_behind_any_name() {
    assert_eq!(field::<u32>(STAT, 4), Some(7));
    assert_eq!(cpu(STAT), Some(Duration::from_secs(2)));
    assert_eq!(cpu("31 (a"), None);
}

#[test]
fn memory_is_in_mib() {
    assert_eq!(rss_mib("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n"), 2.0);
    assert_eq!(rss_mib("Name:\tx\n"), 0.0);
}

#[test]
fn a_process_is_in_its_own_tree_and_uses_memory() {
    let own = std::process::id();
    assert_eq!(tree(own).unwrap().first(), Some(&own));
    assert!(usage(own).unwrap().rss_mib > 0.0);
    assert!(open_files(own).unwrap() > 2);
}
