//! Input that is made to harm: refused or bounded, and nobody else pays for it (docs/limits.md).

mod answers;
mod fields;
mod http2;
mod paths;
mod rig;
mod smuggling;
