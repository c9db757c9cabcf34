use super::*;

#[test]
fn masks_follow_the_prefix() {
    assert_eq!(prefix_mask(0, 4), [0, 0, 0, 0]);
    assert_eq!(prefix_mask(8, 4), [255, 0, 0, 0]);
    assert_eq!(prefix_mask(20, 4), [255, 255, 240, 0]);
    assert_eq!(prefix_mask(32, 4), [255; 4]);
    assert_eq!(prefix_mask(200, 4), [255; 4]);
    assert_eq!(prefix_mask(65, 16)[7..9], [255, 128]);
}

#[test]
fn bits_behind_the_prefix_are_ignored() {
    let cidr = Cidr { address: IpAddr::from([10, 1, 2, 3]), prefix: 8 };
    assert!(within(cidr).contains(&Expr::Cmp(R0, Cmp::Eq, vec![10, 0, 0, 0])));
}
