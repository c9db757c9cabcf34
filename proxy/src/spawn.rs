//! Tasks of one worker: they stay on its thread and needn't be `Send`.

use std::future::Future;

/// hyper's executor for HTTP/2 streams and connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Local;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        local(future);
    }
}

/// Starts a task on this worker.
pub(crate) fn local(future: impl Future<Output = ()> + 'static) {
    drop(tokio::task::spawn_local(future));
}
