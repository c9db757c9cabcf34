//! The cluster's DNS server: services and pods, and nothing else. No question leaves the machine.

mod answer;
#[cfg(fuzzing)]
pub mod fuzzing;
mod server;
#[cfg(test)]
mod tests;
mod zone;

pub(crate) use server::serve;
pub(crate) use zone::Zone;
