//! The last good routes in a file of the pod: a gateway that is started again while the controller is away goes on as it was. It
//! needs no certificate for that.

use std::{io, path::Path};

use isthmus_api::{MAX_MESSAGE_BYTES, control::v1::GatewayRoutes, gateway};
use isthmus_core::gateway::Routes;
use prost::Message;

/// The saved routes; `None` if there are none that can be used.
pub(crate) fn read(path: &Path) -> Option<Routes> {
    match try_read(path) {
        Ok(routes) => routes,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the saved routes can't be used: waiting for the controller's");
            None
        }
    }
}

fn try_read(path: &Path) -> io::Result<Option<Routes>> {
    let bad = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let length = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if usize::try_from(length).map_or(true, |length| length > MAX_MESSAGE_BYTES) {
        return Err(bad(format!("{length} bytes; at most {MAX_MESSAGE_BYTES} are read")));
    }
    let message = GatewayRoutes::decode(std::fs::read(path)?.as_slice()).map_err(|error| bad(error.to_string()))?;
    gateway::decode(message).map(Some).map_err(|error| bad(error.to_string()))
}

/// Writes the present routes. Failing costs a later start only, and only without a controller.
pub(crate) async fn keep(path: &Path, routes: &Routes) {
    let unfinished = path.with_extension("new");
    let write = async {
        tokio::fs::write(&unfinished, gateway::encode(routes).encode_to_vec()).await?;
        tokio::fs::rename(&unfinished, path).await
    };
    if let Err(error) = write.await {
        tracing::warn!(path = %path.display(), %error, "couldn't save the routes");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use isthmus_core::{gateway::Target, id::ObjectName};

    use super::*;

    #[tokio::test]
    async fn routes_are_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("routes");
        assert_eq!(read(&path), None);
        let target = Target { token: "a".parse().unwrap(), addr: "10.42.0.1:8080".parse().unwrap() };
        let exported = HashMap::from([((ObjectName::new("shop", "web"), 80), vec![target])]);
        let routes = Routes { exported, ..Routes::none("west".parse().unwrap()) };
        keep(&path, &routes).await;
        assert_eq!(read(&path), Some(routes.clone()));
        // Not to be used: another thing, half of it, nothing, too much.
        let whole = std::fs::read(&path).unwrap();
        for bytes in [b"routes".to_vec(), whole[..whole.len() - 3].to_vec(), Vec::new(), vec![0; MAX_MESSAGE_BYTES + 1]]
        {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path), None);
        }
        // A folder that isn't there: what is in use stays in use.
        keep(&folder.path().join("missing/routes"), &routes).await;
    }
}
