//! Asking for the names of other meshes' gateways: beside everything else, for a name server may take its time.

use std::{collections::HashMap, io, net::IpAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use isthmus_core::federation::HostName;
use tokio::{
    sync::Semaphore,
    task::{Id, JoinSet},
};

use super::addresses::Answer;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most questions at a time.
const AT_ONCE: usize = 16;

/// Who is asked.
pub(super) type Resolver = Arc<dyn Fn(HostName) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// The questions that are being asked.
pub(super) struct Lookups {
    resolver: Resolver,
    turns: Arc<Semaphore>,
    asked: JoinSet<Answer>,
    names: HashMap<Id, HostName>,
}

impl Lookups {
    pub(super) fn new(resolver: Resolver) -> Self {
        Self { resolver, turns: Arc::new(Semaphore::new(AT_ONCE)), asked: JoinSet::new(), names: HashMap::new() }
    }

    /// Asks for a name.
    pub(super) fn ask(&mut self, host: HostName) {
        let (resolver, turns) = (self.resolver.clone(), self.turns.clone());
        let question = resolver(host.clone());
        let task = self.asked.spawn(async move {
            // It is closed by nobody.
            let _turn = turns.acquire().await;
            match tokio::time::timeout(PATIENCE, question).await {
                Ok(answer) => answer.map_err(|error| error.to_string()),
                Err(_) => Err(format!("no answer within {PATIENCE:?}")),
            }
        });
        self.names.insert(task.id(), host);
    }

    /// The next answer. It never ends without any.
    pub(super) async fn next(&mut self) -> (HostName, Answer) {
        loop {
            let (id, answer) = match self.asked.join_next_with_id().await {
                Some(Ok(answered)) => answered,
                Some(Err(broken)) => (broken.id(), Err(format!("the lookup broke: {broken}"))),
                None => std::future::pending().await,
            };
            if let Some(host) = self.names.remove(&id) {
                return (host, answer);
            }
        }
    }
}

/// The system's resolver.
pub(super) fn system() -> Resolver {
    Arc::new(|host| {
        Box::pin(async move {
            // The final dot: it is a full name, and the search list of this pod has no say in it.
            let found = tokio::net::lookup_host((format!("{host}."), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> HostName {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_without_an_answer_is_told_as_a_failure_and_holds_up_no_other() {
        let resolver: Resolver = Arc::new(|host| {
            Box::pin(async move {
                match host.as_str() {
                    "silent.example.org" => std::future::pending().await,
                    "unknown.example.org" => Err(io::Error::other("NXDOMAIN")),
                    "broken.example.org" => panic!("for the test"),
                    _ => Ok(vec![IpAddr::from([192, 0, 2, 1])]),
                }
            })
        });
        let mut lookups = Lookups::new(resolver);
        let names = ["silent.example.org", "unknown.example.org", "west.example.org", "broken.example.org"];
        names.into_iter().for_each(|name| lookups.ask(host(name)));
        let mut answers = Vec::new();
        for _ in names {
            answers.push(lookups.next().await);
        }
        let last = answers.pop().unwrap();
        assert_eq!(last, (host("silent.example.org"), Err("no answer within 10s".to_owned())));
        answers.sort();
        let [broken, unknown, west] = &answers[..] else { panic!("{answers:?}") };
        assert!(broken.0 == host("broken.example.org") && broken.1.is_err());
        assert_eq!(*unknown, (host("unknown.example.org"), Err("NXDOMAIN".to_owned())));
        assert_eq!(west.1, Ok(vec![IpAddr::from([192, 0, 2, 1])]));
    }
}
