//! What whole-system tests share: clusters made by the real program, real `kubectl`, ways to wait and to call.

pub mod cluster;
pub mod http;
pub mod kubectl;
pub mod left_out;
pub mod meshes;
pub mod process;
pub mod prometheus;
pub mod report;
pub mod software;
pub mod suite;
pub mod trials;
pub mod wait;
