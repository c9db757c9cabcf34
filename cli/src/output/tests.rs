use super::*;

#[test]
fn columns_are_as_wide_as_their_widest_cell() {
    let columns: [Column<(&str, u8)>; 2] = [("NAME", |r| r.0.to_owned()), ("N", |r| r.1.to_string())];
    let rows = [("a", 1), ("ünïcode", 200)];
    assert_eq!(table(&rows, &columns), "NAME      N\na         1\nünïcode   200\n");
    assert_eq!(table(&[], &columns), "NAME   N\n");
}
