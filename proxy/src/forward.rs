//! Passing a request on to an endpoint, and its answer back.

mod attempt;

use std::{future::poll_fn, pin::Pin, rc::Rc, time::Instant};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::CONNECTION};
use http_body::Body as _;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use isthmus_core::{
    failover::{HOLD, PROBE_EVERY},
    retry::{self, Again, Final},
};

use self::attempt::{Attempt, Failed};
use crate::{
    backend::{BackendState, Chosen, Search},
    body::{Body, RequestBody},
    exchange::Exchange,
    fault::Fault,
    hop,
    limits::{READ_UP_TIME, RESEND_BYTES},
    live::Live,
    metrics::Direction,
    pool,
    resend::Resend,
    serve::fault,
    spawn, tunnel,
    worker::Worker,
};

/// Sends a request to an endpoint of the backend and passes the answer back. It is tried again as long as no application has
/// begun to see it, within the backend's budget (`isthmus_core::retry`).
pub(crate) async fn forward(
    worker: &Rc<Worker>,
    backend: &Rc<BackendState>,
    mut request: Request<Incoming>,
    exchange: Rc<Exchange>,
    live: &Rc<Live>,
) -> Response<Body> {
    let grpc = exchange.is_grpc();
    let h2 = request.version() == http::Version::HTTP_2;
    let upgrade = !h2 && hop::upgrade_of(request.headers()).is_some();
    let connect = request.method() == http::Method::CONNECT;
    let client = (upgrade || connect).then(|| hyper::upgrade::on(&mut request));
    if hop::fit(&mut request).is_err() {
        return fault(worker, exchange, Fault::BadRequest, grpc);
    }
    if backend.len() == 0 {
        return fault(worker, exchange, Fault::NoEndpoints, grpc);
    }
    backend.kept.budget.borrow_mut().request(worker.now());
    let outbound = exchange.direction == Direction::Outbound;
    // The application is one endpoint; what it refuses the caller's proxy tries elsewhere.
    let keep = outbound && (h2 || backend.len() > 1);
    let request = request.map(|body| RequestBody::new(body, Rc::clone(&exchange)));
    let request = Resend::new(request, keep);
    let small = request.is_small();
    let mut tries = Tries { worker, backend, request, small, tried: Vec::new(), made: 0 };
    let mut answer = match tries.run(&exchange, h2).await {
        Ok((mut answer, lease)) => {
            drop(tries);
            match hop::is_sound_answer(&mut answer, client.is_some()) {
                true => pass_back(answer, exchange, lease, client.map(|c| (c, connect)), live),
                false => fault(worker, exchange, Fault::BadAnswer, grpc),
            }
        }
        Err(met) => {
            // The client's own fault, if it had one, comes first.
            let met = exchange.fault.get().unwrap_or(met);
            if let Some(body) = tries.request.unread() {
                spawn::local(read_up(body));
            }
            fault(worker, exchange, if outbound { met } else { met.of_app() }, grpc)
        }
    };
    if live.is_leaving() && !h2 {
        answer.headers_mut().entry(CONNECTION).or_insert(HeaderValue::from_static("close"));
    }
    answer
}

/// Reads what is left of a request that has its answer already, as far as its sender could send it again: closing on unread bytes
/// would reset the connection, and the answer might be lost with it (RFC 9112 §9.6).
async fn read_up(mut body: RequestBody) {
    let mut left = RESEND_BYTES;
    let read = async {
        while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            left = left.saturating_sub(frame.data_ref().map_or(0, bytes::Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(READ_UP_TIME, read).await;
}

type Answered = (Response<Incoming>, pool::Lease);

/// The attempts at one request.
struct Tries<'a> {
    worker: &'a Rc<Worker>,
    backend: &'a BackendState,
    request: Resend,
    /// It can be sent again however much of it was sent, as far as is known.
    small: bool,
    /// By their index.
    tried: Vec<usize>,
    made: u32,
}

impl<'a> Tries<'a> {
    async fn run(&mut self, exchange: &Exchange, h2: bool) -> Result<Answered, Fault> {
        let mut since = None;
        let mut chosen = self.choose().ok_or(Fault::NoEndpoints)?;
        loop {
            self.made += 1;
            chosen.endpoint.called(self.worker.now());
            exchange.choose(chosen.index, chosen.endpoint.endpoint.addr);
            if let Some(span) = exchange.span.get() {
                span.sent_to(chosen.endpoint);
            }
            let attempt = Attempt { worker: self.worker, endpoint: chosen.endpoint, h2, since };
            let failed = match attempt.make(&mut self.request).await {
                Ok(answered) => return Ok(answered),
                Err(failed) => failed,
            };
            match self.next(chosen, &failed) {
                Some(next) => chosen = next,
                None => return failed.answered.ok_or(failed.fault),
            }
            self.worker.metrics.retry(failed.failure);
            since = Some(Instant::now());
        }
    }

    /// The endpoint for the next attempt.
    fn choose(&self) -> Option<Chosen<'a>> {
        let left = retry::TRIES.saturating_sub(self.made);
        let probe = if self.small { PROBE_EVERY } else { HOLD };
        let search = Search { tried: &self.tried, left, probe: (left > 1).then_some(probe) };
        self.backend.choose(self.worker, &search)
    }

    /// Where to try again, if at all.
    fn next(&mut self, failing: Chosen<'a>, failed: &Failed) -> Option<Chosen<'a>> {
        self.tried.push(failing.index);
        let elsewhere = self.choose();
        let (now, whole) = (self.worker.now(), self.request.is_whole());
        // Nowhere else to go: that costs nothing of the budget.
        if elsewhere.is_none() && failed.failure == retry::Failure::Unreached {
            return None;
        }
        let moved = elsewhere.is_some_and(|chosen| chosen.tier != failing.tier);
        match retry::after(failed.failure, self.made, whole, moved, &mut self.backend.kept.budget.borrow_mut(), now) {
            Ok(Again::Elsewhere) => elsewhere,
            Ok(Again::Preferably) => {
                if elsewhere.is_none() {
                    self.tried.clear();
                }
                elsewhere.or(Some(failing))
            }
            Ok(Again::Anywhere) => {
                self.tried.pop();
                self.choose()
            }
            Err(reason) => {
                if reason == Final::Budget {
                    self.worker.metrics.retries_over_budget.inc();
                }
                None
            }
        }
    }
}

/// Takes the proxy's own words out of an application's answer: what they say is acted upon.
fn strip_own(headers: &mut HeaderMap) {
    headers.remove(hop::ERROR);
    headers.remove(hop::DENY);
}

/// Has the endpoint agreed to leave HTTP?
fn upgraded(answer: &Response<Incoming>, connect: bool) -> bool {
    answer.status() == StatusCode::SWITCHING_PROTOCOLS || (connect && answer.status().is_success())
}

fn pass_back(
    mut answer: Response<Incoming>,
    exchange: Rc<Exchange>,
    lease: pool::Lease,
    client: Option<(OnUpgrade, bool)>,
    live: &Rc<Live>,
) -> Response<Body> {
    exchange.status.set(answer.status().as_u16());
    exchange.hear(answer.headers());
    if exchange.direction == Direction::Inbound {
        strip_own(answer.headers_mut());
    }
    let client = client.and_then(|(client, connect)| upgraded(&answer, connect).then_some(client));
    let switched = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    let upgrade = answer.headers().get(http::header::UPGRADE).filter(|_| switched).cloned();
    hop::strip(answer.headers_mut(), upgrade);
    if answer.version() != http::Version::HTTP_2 {
        *answer.version_mut() = http::Version::HTTP_11;
    }
    let Some(client) = client else { return answer.map(|body| Body::upstream(body, exchange, lease)) };
    let tunnel = tunnel::join(client, hyper::upgrade::on(&mut answer), Rc::clone(&exchange), lease, Rc::clone(live));
    spawn::local(tunnel);
    answer.map(|_| Body::own("", exchange))
}
