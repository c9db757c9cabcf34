//! One request, one answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use isthmus_core::{
    broken::{self, Fault},
    id::ObjectName,
};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use rustls::{ServerConfig, pki_types::CertificateDer};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{
    body::{Backend, Frame},
    discovery,
    front_proxy::FrontProxy,
    kind::Kind,
    model::{Observation, Totals},
    objects,
    places::Places,
    request::{self, Ask, Form, Request},
    source::{Answer, Query, Source},
    status::Failure,
    sums::{self, Edge, Roots},
    table::{Row, table},
    tap,
};
use crate::{https::Serve, replicas::Everywhere, serve::Hub};

/// Most warnings of an answer, and longest.
const MAX_WARNINGS: usize = 5;
const MAX_WARNING: usize = 256;

/// What answers.
pub(crate) struct Server {
    pub(crate) front_proxy: Arc<FrontProxy>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) client: Client,
    pub(crate) sources: Sources,
    pub(crate) taps: Everywhere,
}

/// Where answers can come from.
pub(crate) struct Sources {
    /// What this controller's proxies report.
    pub(crate) own: Arc<dyn Source>,
    /// Prometheus, if one is configured: then it is the one that is asked, unless `source` says otherwise.
    pub(crate) prometheus: Option<Arc<dyn Source>>,
}

impl Sources {
    fn choose(&self, name: Option<&str>) -> Result<&dyn Source, Failure> {
        match (name, &self.prometheus) {
            (None, Some(prometheus)) | (Some("prometheus"), Some(prometheus)) => Ok(&**prometheus),
            (None | Some("controller"), _) => Ok(&*self.own),
            (Some("prometheus"), None) => Err(Failure::bad_request(
                "source: no Prometheus is configured: start the controller with --prometheus-url",
            )),
            (Some(other), _) => {
                Err(Failure::bad_request(format!("source: {other:?} must be controller or prometheus")))
            }
        }
    }
}

/// One item, and what its line in a table needs.
struct Item {
    value: Value,
    totals: Totals,
    edge: Option<Edge>,
    backend: Option<Backend>,
    share: Option<f64>,
}

impl Item {
    fn row(&self) -> Row<'_> {
        let Self { value, totals, edge, backend, share } = self;
        Row { item: value, totals, edge: edge.as_ref(), backend: backend.as_ref(), share: *share }
    }
}

impl Serve for Server {
    type Body = tap::Body;

    fn tls(&self) -> (Arc<ServerConfig>, CancellationToken) {
        self.front_proxy.tls()
    }

    async fn answer(
        &self,
        certificate: Option<&CertificateDer<'static>>,
        request: http::Request<Incoming>,
    ) -> Response<tap::Body> {
        let trusted = self.front_proxy.trusts(certificate);
        self.respond(trusted, request.method(), request.uri(), request.headers()).await
    }
}

impl Server {
    /// `trusted`: it is the API server that asks.
    async fn respond(&self, trusted: bool, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response<tap::Body> {
        let decided = match self.tap(trusted, method, uri) {
            None => self.decide(trusted, method, uri, headers).await,
            Some(Ok(tap::Answer::Stream(mut response, warnings))) => {
                warn(&mut response, &warnings);
                return response;
            }
            Some(Ok(tap::Answer::Document(document))) => Ok((document, Vec::new())),
            Some(Err(failure)) => Err(failure),
        };
        let (status, body, warnings) = match decided {
            Ok((body, warnings)) => (StatusCode::OK, body, warnings),
            Err(failure) => (failure.code, failure.status(), Vec::new()),
        };
        // hyper sends no body for HEAD, and the length that it would have had.
        let mut response = Response::new(Full::from(body.to_string()).boxed_unsync());
        *response.status_mut() = status;
        let aggregated =
            body.get("apiVersion").and_then(Value::as_str).and_then(|v| v.strip_prefix("apidiscovery.k8s.io/"));
        let media = aggregated.and_then(|version| HeaderValue::from_str(&discovery::media(version)).ok());
        let media = media.unwrap_or(HeaderValue::from_static("application/json"));
        response.headers_mut().insert(CONTENT_TYPE, media);
        warn(&mut response, &warnings);
        response
    }

    /// `None`: it isn't about taps.
    fn tap(&self, trusted: bool, method: &Method, uri: &Uri) -> Option<Result<tap::Answer, Failure>> {
        tap::is_for(uri).then(|| {
            if !trusted {
                return Err(Failure::unauthorized());
            }
            tap::answer(&self.taps, method, uri)
        })
    }

    async fn decide(
        &self,
        trusted: bool,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(Value, Vec<String>), Failure> {
        if !trusted {
            return Err(Failure::unauthorized());
        }
        let request = request::read(method, uri)?;
        let form = request::form(headers)?;
        let discovered = |legacy: Value| match form {
            Form::Discovery(version) => discovery::aggregated(version),
            Form::Object | Form::Table => legacy,
        };
        match request {
            Request::Groups => Ok((discovered(discovery::groups()), Vec::new())),
            Request::Group => Ok((discovery::group(), Vec::new())),
            Request::Resources => Ok((discovery::resources(), Vec::new())),
            Request::Traffic(ask) => self.traffic(&ask, form).await,
        }
    }

    async fn traffic(&self, ask: &Ask, form: Form) -> Result<(Value, Vec<String>), Failure> {
        let source = self.sources.choose(ask.source.as_deref())?;
        let objects = objects::find(&self.client, ask).await?;
        let roots = self.roots(ask, &objects);
        let how_many = match roots.len() {
            0 => Roots::None,
            all if all == objects.len() => Roots::All,
            _ => Roots::Some,
        };
        let frame = Frame { ask, now: Timestamp::now() };
        let mut warnings = Vec::new();
        // With the object's place in the answer.
        let mut items = Vec::new();
        for (way, side, query) in sums::questions(ask, how_many) {
            let observations = self.ask(source, query, &mut warnings).await?;
            let places = self.hub.with(|registry| Places::look(ask.kind, &observations, &registry.index().roster));
            let (mut totals, mut shares) = Default::default();
            match ask.kind {
                _ if ask.edges => {}
                Kind::TrafficSplit => shares = sums::shares(&observations),
                kind => totals = sums::totals(&places, kind, side, &observations),
            }
            let told = |object: &&ObjectName| sums::side(ask, way, roots.contains(*object)) == side;
            for (place, object) in objects.iter().enumerate().filter(|(_, object)| told(object)) {
                let of_one: Vec<Item> = if ask.edges {
                    let edges = sums::edges(&places, ask, object, way, side, &observations);
                    edges.into_iter().map(|edge| self.of_edge(&frame, object, edge)).collect()
                } else if ask.kind == Kind::TrafficSplit {
                    self.of_split(&frame, object, &shares)
                } else {
                    let totals = totals.get(object).copied().unwrap_or_default();
                    let value = frame.of_object(object, side, &totals);
                    vec![Item { value, totals, edge: None, backend: None, share: None }]
                };
                items.extend(of_one.into_iter().map(|item| (place, item)));
            }
        }
        items.sort_by_key(|(place, _)| *place);
        let items: Vec<Item> = items.into_iter().map(|(_, item)| item).collect();
        warnings.dedup();
        let idle = |item: &Item| item.totals.successes + item.totals.failures == 0.0;
        if broken::is(Fault::MetricsIdleFails) && ask.name.is_some() && !ask.edges && items.iter().all(idle) {
            return Err(Failure::unavailable("unable to lookup metrics"));
        }
        if form == Form::Table {
            let rows: Vec<_> = items.iter().map(Item::row).collect();
            return Ok((table(ask, &rows, frame.now), warnings));
        }
        // A split has several items even if one is asked for.
        let single = ask.name.is_some() && !ask.edges && ask.kind != Kind::TrafficSplit;
        let mut values = items.into_iter().map(|item| item.value);
        let body = if single { values.next().unwrap_or_default() } else { frame.list(values.collect()) };
        Ok((body, warnings))
    }

    async fn ask(
        &self,
        source: &dyn Source,
        query: Query,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<Observation>, Failure> {
        let Answer { observations, warnings: more } = source.observe(query).await?;
        warnings.extend(more);
        Ok(observations)
    }

    /// Which of the objects are Services that splits are of.
    fn roots(&self, ask: &Ask, objects: &[ObjectName]) -> BTreeSet<ObjectName> {
        if ask.kind != Kind::Service {
            return BTreeSet::new();
        }
        self.hub.with(|registry| {
            let splits = &registry.index().splits;
            objects.iter().filter(|object| splits.of_root(object).next().is_some()).cloned().collect()
        })
    }

    /// A line for each backend that the split has now.
    fn of_split(
        &self,
        frame: &Frame<'_>,
        split: &ObjectName,
        shares: &BTreeMap<(ObjectName, ObjectName), Totals>,
    ) -> Vec<Item> {
        let backends = self.backends(split);
        let totals = |backend: &ObjectName| shares.get(&(split.clone(), backend.clone())).copied().unwrap_or_default();
        let all: f64 = backends.iter().map(|(name, _)| totals(name)).map(|sent| sent.successes + sent.failures).sum();
        let item = |(name, backend): (ObjectName, Backend)| {
            let totals = totals(&name);
            let share = (all > 0.0).then(|| 100.0 * (totals.successes + totals.failures) / all);
            let value = frame.of_backend(split, &backend, &totals);
            Item { value, totals, edge: None, backend: Some(backend), share }
        };
        backends.into_iter().map(item).collect()
    }

    fn of_edge(&self, frame: &Frame<'_>, object: &ObjectName, edge: Edge) -> Item {
        let backend = edge.backend.as_ref().map(|name| {
            let now = self.backends(object).into_iter().find(|(found, _)| found == name).map(|(_, backend)| backend);
            now.unwrap_or_else(|| Backend { apex: self.apex(object), name: name.name.to_string(), weight: 0 })
        });
        let value = frame.of_edge(object, &edge, backend.as_ref());
        Item { value, totals: edge.totals, edge: Some(edge), backend, share: None }
    }

    fn apex(&self, split: &ObjectName) -> String {
        let root = self.hub.with(|registry| registry.index().splits.get(split)?.content.root.clone());
        root.map(|root| root.name.to_string()).unwrap_or_default()
    }

    fn backends(&self, split: &ObjectName) -> Vec<(ObjectName, Backend)> {
        let apex = self.apex(split);
        let backends = self.hub.with(|registry| {
            registry.index().splits.get(split).map(|split| split.content.backends.clone()).unwrap_or_default()
        });
        let backend = |found: crate::index::Backend| {
            let name = found.service.name.to_string();
            (found.service, Backend { apex: apex.clone(), name, weight: found.weight })
        };
        backends.into_iter().map(backend).collect()
    }
}

/// What a client shows beside the answer.
fn warn(response: &mut Response<tap::Body>, warnings: &[String]) {
    for warning in warnings.iter().take(MAX_WARNINGS) {
        // RFC 7234 §5.5: a quoted string, of what a header can hold.
        let text: String =
            warning.chars().take(MAX_WARNING).filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect();
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            response.headers_mut().append(http::header::WARNING, value);
        }
    }
}
