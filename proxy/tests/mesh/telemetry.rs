//! What users want to see of a pod's traffic, and what they see then.

mod access_log;
mod settings;
mod tap;
