//! What users want to see of a pod's traffic, and what they see then.

mod settings;
