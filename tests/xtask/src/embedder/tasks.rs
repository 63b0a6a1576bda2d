//! Tasks that end together.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;

/// Tasks that are aborted together. Clones are the same tasks.
#[derive(Clone, Debug, Default)]
pub(super) struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl Tasks {
    /// Starts one more.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.with(|tasks| {
            // Those that have ended would be kept until somebody asks for them.
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        });
    }

    /// Ends them all at the next point where they wait.
    pub(super) fn abort(&self) {
        self.with(JoinSet::abort_all);
    }

    /// Ends them all and waits until they are gone.
    pub(super) async fn shutdown(&self) {
        let mut tasks = self.with(std::mem::take);
        tasks.shutdown().await;
    }

    fn with<T>(&self, f: impl FnOnce(&mut JoinSet<()>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
