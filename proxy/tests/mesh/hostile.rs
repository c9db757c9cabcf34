//! Input that is made to harm: refused or bounded, and nobody else pays for it (docs/limits.md).

mod answers;
mod descriptors;
mod fields;
mod floods;
mod http2;
mod paths;
mod rig;
mod slow;
mod smuggling;
