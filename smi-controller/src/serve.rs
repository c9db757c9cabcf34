//! Serving proxies: what they subscribe to is compiled, sent, and followed until they have acknowledged it.

mod certify;
mod control;
mod count;
mod dependencies;
mod effect;
mod frames;
mod hub;
mod looks;
mod news;
mod registry;
mod resource;
mod session;
mod taps;
mod tokens;

pub(crate) use certify::Certifier;
pub(crate) use control::ControlService;
pub(crate) use count::{Count, InEffect, Stamp};
pub(crate) use frames::Work;
pub(crate) use hub::Hub;
pub(crate) use looks::follow as let_splits_go;
pub(crate) use news::FollowerId;
pub(crate) use registry::{Farewell, Link, Proxy, Registry, Replica, Report, Standings};
pub(crate) use taps::{Sight, Tapping, TooManyTaps};
pub(crate) use tokens::{KubeTokens, TokenError, Tokens};

/// For tests of what all proxies subscribe to.
#[cfg(test)]
pub(crate) fn bundles_key() -> resource::Key {
    resource::Key::Bundles
}

/// The same of the taps at a pod.
#[cfg(test)]
pub(crate) fn taps_key(pod: &isthmus_core::id::ObjectName) -> resource::Key {
    resource::Key::Taps(pod.clone())
}

#[cfg(test)]
mod tests;
