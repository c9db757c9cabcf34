//! Commands that need the embedded cluster: `up`, `down`, `status`, `demo`.

mod apply;
pub(crate) mod demo;
pub(crate) mod down;
mod images;
mod mesh;
mod state;
pub(crate) mod status;
pub(crate) mod up;

use std::process::ExitCode;

use crate::progress;

/// The name of the hidden subcommand by which the node makes containers.
const POD_HELPER: &str = "pod-helper";

/// Becomes the node's helper if the process was started as that.
pub(crate) fn pod_helper() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    (args.next()? == POD_HELPER).then(|| isthmus_local_node::helper_main(args))
}
