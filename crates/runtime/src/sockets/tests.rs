use std::net::{TcpListener as Std, TcpStream};

use super::*;

#[test]
fn listeners_share_a_port() {
    let first = reuseport_listener("127.0.0.1:0".parse().unwrap(), 16).unwrap();
    let second = reuseport_listener(first.local_addr().unwrap(), 16).unwrap();
    assert_eq!(first.local_addr().unwrap(), second.local_addr().unwrap());
}

#[test]
fn without_a_redirect_there_is_no_other_destination() {
    let listener = Std::bind("127.0.0.1:0").unwrap();
    let local = listener.local_addr().unwrap();
    let _client = TcpStream::connect(local).unwrap();
    let (accepted, _) = listener.accept().unwrap();
    match original_dst(&accepted) {
        Ok(addr) => assert_eq!(addr, local),
        Err(error) => assert_ne!(error.kind(), io::ErrorKind::InvalidInput),
    }
}
