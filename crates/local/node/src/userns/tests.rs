use super::*;

#[test]
fn the_remedy_names_the_setting_that_blocks() {
    let apparmor = |name: &str| (name == "kernel.apparmor_restrict_unprivileged_userns").then_some(1);
    assert_eq!(remedy(&apparmor), "-w kernel.apparmor_restrict_unprivileged_userns=0");
    assert_eq!(remedy(&|_| None), "-w user.max_user_namespaces=15000");
}

#[test]
fn a_single_mapped_user_is_the_only_one() {
    assert!(mapped("         0          0 4294967295\n", 2102));
    assert!(mapped("0 1000 1\n", 0));
    assert!(!mapped("0 1000 1\n", 1));
    assert!(!mapped("garbage\n", 0));
}
