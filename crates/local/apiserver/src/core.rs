//! What all requests share.

use isthmus_local_machinery::status::ApiError;
use isthmus_local_store::{Entry, Key, Store, StoreError};
use serde_json::Value;

use crate::auth::token::Signer;
use crate::callouts::Callouts;
use crate::cidr::ServiceCidr;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::pki::Pki;
use crate::react;
use crate::registry::{Kind, Registry};

/// The server's state.
pub(crate) struct Core {
    pub(crate) store: Store,
    pub(crate) durable: bool,
    pub(crate) registry: Registry,
    pub(crate) pki: Pki,
    pub(crate) signer: Signer,
    pub(crate) limits: Limits,
    pub(crate) services: ServiceCidr,
    pub(crate) callouts: Callouts,
    pub(crate) metrics: Metrics,
    /// Held from the choice of a ClusterIP until the Service is stored.
    pub(crate) address_lock: tokio::sync::Mutex<()>,
}

/// A write to the store.
pub(crate) enum Write {
    Create(Key, Value),
    Update(Key, u64, Value),
    Delete(Key, Option<u64>),
}

impl Core {
    /// Carries out a write and what has to follow from it at once (see [`react`]).
    pub(crate) async fn write(self: &std::sync::Arc<Self>, write: Write) -> Result<Entry, StoreError> {
        if !self.durable {
            return self.write_now(write);
        }
        // Writes wait for the disk. They also have to be whole when the client has gone meanwhile.
        let core = self.clone();
        match tokio::task::spawn_blocking(move || core.write_now(write)).await {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, "a write to the store broke off");
                Err(StoreError::WritesStopped { file: std::path::PathBuf::new() })
            }
        }
    }

    /// The same, on this thread.
    pub(crate) fn write_now(&self, write: Write) -> Result<Entry, StoreError> {
        let (entry, deleted) = match write {
            Write::Create(key, object) => (self.store.create(key, object)?, false),
            Write::Update(key, expected, object) => (self.store.update(&key, expected, object)?, false),
            Write::Delete(key, expected) => (self.store.delete(&key, expected)?, true),
        };
        react::after(self, &entry, deleted);
        Ok(entry)
    }
}

/// The store's key of an object of this kind.
pub(crate) fn key(kind: &Kind, namespace: Option<&str>, name: &str) -> Key {
    Key::new(&kind.storage, namespace.filter(|_| kind.resource.namespaced), name)
}

/// A store's refusal in the words of the API.
pub(crate) fn store_error(kind: &Kind, name: &str, error: StoreError) -> ApiError {
    let resource = kind.group_resource();
    match error {
        StoreError::NotFound { .. } => ApiError::not_found(&resource, name),
        StoreError::Exists { .. } => ApiError::already_exists(&resource, name),
        StoreError::Conflict { .. } => ApiError::conflict(&resource, name),
        StoreError::Compacted { .. } => ApiError::expired("The provided resourceVersion is too old: list again"),
        StoreError::TooLarge { limit, .. } => ApiError::too_large(limit),
        StoreError::TooDeep { .. } | StoreError::MalformedObject { .. } => ApiError::bad_request(error.to_string()),
        StoreError::TooManyObjects { .. } => ApiError::forbidden(&resource, name, &error.to_string()),
        StoreError::TooManyWatches { .. } => ApiError::too_many_requests(error.to_string(), 5),
        other => {
            tracing::error!(error = %other, "the store failed");
            ApiError::internal("the store failed; see the server's log")
        }
    }
}
