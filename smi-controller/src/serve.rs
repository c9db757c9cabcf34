//! Serving proxies: what they subscribe to is compiled, sent, and followed until they have acknowledged it.

mod certify;
mod control;
mod dependencies;
mod effect;
mod frames;
mod hub;
mod registry;
mod resource;
mod session;
mod tokens;

pub(crate) use certify::Certifier;
pub(crate) use control::ControlService;
pub(crate) use effect::InEffect;
pub(crate) use frames::Work;
pub(crate) use hub::Hub;
pub(crate) use registry::{Link, Registry, Standings};
pub(crate) use tokens::{KubeTokens, TokenError, Tokens};

#[cfg(test)]
mod tests;
