//! The programs behind the embedded cluster's images: this very binary, in another role.

use std::{ffi::OsString, path::PathBuf};

use isthmus_local_node::Images;

/// `isthmus/<role>` to a command line of this program.
#[derive(Debug)]
pub(crate) struct OwnImages {
    program: PathBuf,
}

impl OwnImages {
    /// Of the running program.
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { program: std::env::current_exe()? })
    }

    /// The command line of the node's helper.
    pub(crate) fn helper(&self) -> Vec<OsString> {
        vec![self.program.clone().into(), super::POD_HELPER.into()]
    }
}

impl Images for OwnImages {
    fn command(&self, image: &str) -> Option<Vec<OsString>> {
        let role = match image {
            "isthmus/proxy" => "proxy",
            "isthmus/init" => "redirect",
            "isthmus/controller" => "controller",
            "isthmus/gateway" => "gateway",
            "isthmus/hub" => "hub",
            "isthmus/app" => "app",
            _ => return None,
        };
        Some(vec![self.program.clone().into(), role.into()])
    }
}
