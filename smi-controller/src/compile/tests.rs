//! Rows of smi.md §5 and vectors of §8, each in a test named after it.

mod access;
mod endpoints;
mod federation;
mod federation_faults;
mod splits;
mod telemetry;
