//! What other replicas' proxies have told of their traffic, asked for when somebody asks.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures::future::{BoxFuture, join_all};
use isthmus_api::{
    MAX_MESSAGE_BYTES,
    replica::v1::{ObserveRequest, replicas_client::ReplicasClient},
};
use parking_lot::Mutex;
use tonic::transport::Channel;

use super::{
    follow::{Parts, connect, words},
    sight,
};
use crate::telemetry::{Answer, Observation, Query, Source, SourceError, Traffic};

/// How long another replica may take. Then the answer is given without it, and says so.
pub(crate) const LIMIT: Duration = Duration::from_secs(1);
/// Most observations of one replica: all edges that it can have, of both directions.
pub(crate) const MAX_OBSERVATIONS: usize = 100_000;

/// All replicas together.
pub(crate) struct Together {
    own: Arc<Traffic>,
    parts: Arc<Parts>,
    channels: Mutex<HashMap<Arc<str>, (IpAddr, Channel)>>,
}

impl Together {
    pub(crate) fn new(own: Arc<Traffic>, parts: Arc<Parts>) -> Self {
        Self { own, parts, channels: Mutex::default() }
    }

    async fn ask(&self, name: &Arc<str>, address: IpAddr, query: &Query) -> Result<Vec<Observation>, String> {
        let channel = self.channel(name, address).await?;
        let mut client = ReplicasClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
        let request: ObserveRequest = sight::question(query);
        let mut parts = client.observe(request).await.map_err(|status| words(&status))?.into_inner();
        let mut seen = Vec::new();
        while let Some(part) = parts.message().await.map_err(|status| words(&status))? {
            for observation in part.observations {
                seen.push(sight::read(observation, query.direction)?);
            }
            if seen.len() > MAX_OBSERVATIONS {
                return Err(format!("more than {MAX_OBSERVATIONS} observations"));
            }
        }
        Ok(seen)
    }

    /// Kept, so that not every question needs a handshake.
    async fn channel(&self, name: &Arc<str>, address: IpAddr) -> Result<Channel, String> {
        let kept = self.channels.lock().get(name).filter(|(at, _)| *at == address).map(|(_, channel)| channel.clone());
        if let Some(channel) = kept {
            return Ok(channel);
        }
        let made = connect(&self.parts, SocketAddr::new(address, self.parts.port)).await;
        let channel = made.map_err(|error| isthmus_runtime::error_text::with_causes(&error))?;
        self.channels.lock().insert(name.clone(), (address, channel.clone()));
        Ok(channel)
    }

    async fn observe(&self, query: Query) -> Answer {
        let others = self.parts.hub.with(|registry| registry.replicas());
        self.channels.lock().retain(|name, _| others.contains_key(name));
        // One that neither serves nor is heard is gone; what its proxies had told is gone with it.
        let living = others.iter().filter(|(_, replica)| replica.ready || replica.heard);
        let asked = living.map(|(name, replica)| {
            let query = &query;
            async move {
                let answer = tokio::time::timeout(LIMIT, self.ask(name, replica.address, query)).await;
                (name, answer.unwrap_or_else(|_| Err(format!("no answer within {LIMIT:?}"))))
            }
        });
        let (own, others) = tokio::join!(self.own.observe(&query), join_all(asked));
        let mut answer = Answer { observations: own, warnings: Vec::new() };
        for (name, told) in others {
            match told {
                Ok(observations) => answer.observations.extend(observations),
                Err(error) => {
                    // It may have been restarted: the next question dials anew.
                    self.channels.lock().remove(name);
                    tracing::warn!(replica = %name, error, "another replica didn't say what its proxies have seen");
                    answer.warnings.push(format!("incomplete: controller replica {name} didn't answer: {error}"));
                }
            }
        }
        answer
    }
}

impl Source for Together {
    fn observe(&self, query: Query) -> BoxFuture<'_, Result<Answer, SourceError>> {
        Box::pin(async move { Ok(self.observe(query).await) })
    }
}
