//! How objects of each kind are read: for the index, and for the door before it.

pub(crate) use super::{
    federation::{read_export as export, read_import as import, read_mesh as mesh, read_peer as peer},
    http_routes::read as group,
    identity_bindings::read as binding,
    port_routes::{read_tcp as tcp, read_udp as udp},
    splits::read as split,
    targets::read as target,
};
