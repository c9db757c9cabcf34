use super::*;

fn bytes(purpose: &str, parts: &[&[u8]]) -> Vec<u8> {
    Statement::new(purpose, parts.iter().copied()).as_bytes().to_vec()
}

#[test]
fn purpose_and_parts_can_not_run_into_each_other() {
    let statements = [
        bytes("catalog", &[b"ab", b"c"]),
        bytes("catalog", &[b"a", b"bc"]),
        bytes("catalog", &[b"abc"]),
        bytes("catalog", &[b"abc", b""]),
        bytes("cataloga", &[b"bc"]),
        bytes("heartbeat", &[b"abc"]),
    ];
    for (i, one) in statements.iter().enumerate() {
        assert!(statements.iter().skip(i + 1).all(|other| one != other), "{i}");
        assert!(one.starts_with(b"isthmus.mesh/"));
    }
}
