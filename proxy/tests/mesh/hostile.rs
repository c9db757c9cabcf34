//! Input that is made to harm: refused or bounded, and nobody else pays for it.
