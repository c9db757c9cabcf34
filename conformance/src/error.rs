//! What can go wrong outside of what is tested, by who is to blame.

/// Why a run, or a case of it, couldn't be judged.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused, or isn't there.
    #[error("{doing}")]
    Cluster {
        /// What was asked of it.
        doing: String,
        /// What it said.
        #[source]
        source: Box<kube::Error>,
    },
    /// Pods of the suite don't become ready.
    #[error("{what} isn't ready after {seconds} s: {why}")]
    Unready {
        /// A Deployment, or a program in a pod.
        what: String,
        /// How long was waited.
        seconds: u64,
        /// What its pods say.
        why: String,
    },
    /// The program in a pod can't be spoken to, or doesn't speak as the suite's.
    #[error("the program in pod {pod}: {why}")]
    Program {
        /// Its pod.
        pod: String,
        /// What came.
        why: String,
    },
    /// A file of the suite, or of the user's, says what can't be.
    #[error("{file}: {why}")]
    Data {
        /// A case or a profile.
        file: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// Of a call to the API server.
    pub(crate) fn cluster(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Cluster { doing, source: Box::new(source) }
    }

    /// Has the API server refused an object for what it says?
    pub(crate) fn is_refusal(&self) -> bool {
        let Self::Cluster { source, .. } = self else { return false };
        matches!(source.as_ref(), kube::Error::Api(status) if matches!(status.code, 400 | 403 | 422))
    }

    /// With what it came from, on one line.
    pub fn line(&self) -> String {
        let mut line = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            line = format!("{line}: {error}");
            source = error.source();
        }
        line
    }
}
