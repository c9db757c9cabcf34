//! Passing a request on to an endpoint, and its answer back.

use std::rc::Rc;

use http::{Request, Response, StatusCode};
use hyper::{body::Incoming, upgrade::OnUpgrade};

use crate::{
    body::{Body, RequestBody},
    exchange::Exchange,
    fault::Fault,
    hop,
    limits::CONNECT_TRIES,
    live::Live,
    metrics::Direction,
    pool,
    route::BackendState,
    serve::fault,
    spawn, tunnel,
    worker::Worker,
};

/// Sends a request to an endpoint of the backend and passes the answer back. Other endpoints are tried as long as no byte
/// of the request was sent.
pub(crate) async fn forward(
    worker: &Rc<Worker>,
    backend: &Rc<BackendState>,
    mut request: Request<Incoming>,
    exchange: Rc<Exchange>,
    live: &Rc<Live>,
) -> Response<Body> {
    let grpc = hop::is_grpc(request.headers());
    let h2 = request.version() == http::Version::HTTP_2;
    let upgrade = !h2 && hop::upgrade_of(request.headers()).is_some();
    let connect = request.method() == http::Method::CONNECT;
    let client = (upgrade || (connect && !h2)).then(|| hyper::upgrade::on(&mut request));
    if hop::fit(&mut request).is_err() {
        return fault(worker, exchange, Fault::BadRequest, grpc);
    }
    if backend.endpoints.is_empty() {
        return fault(worker, exchange, Fault::NoEndpoints, grpc);
    }
    let mut request = request.map(|body| RequestBody::new(body, Rc::clone(&exchange)));
    let mut tried = Vec::new();
    let mut fresh = false;
    let mut last = Fault::NoEndpoints;
    for _ in 0..CONNECT_TRIES {
        let Some(endpoint) = backend.choose(worker, &tried) else { break };
        exchange.endpoint.set(Some(endpoint.endpoint.addr));
        let mut lease = match pool::lease(worker, endpoint, h2, fresh).await {
            Ok(lease) => lease,
            Err(fault) => {
                last = fault;
                tried.push(endpoint.endpoint.addr);
                continue;
            }
        };
        match lease.send(request).await {
            Ok(mut answer) => {
                if !hop::is_sound_answer(&mut answer, client.is_some()) {
                    last = Fault::BadAnswer;
                    break;
                }
                let client = client.filter(|_| upgraded(&answer, connect));
                return pass_back(answer, exchange, lease, client, live);
            }
            Err(mut error) => {
                tracing::debug!(endpoint = %endpoint.endpoint.addr, error = %error.error(), "request failed");
                last = Fault::Closed;
                // Given back untouched, it can be sent again; a stale pooled connection says nothing of the endpoint.
                let Some(unsent) = error.take_message() else { break };
                fresh = true;
                if !lease.reused {
                    tried.push(endpoint.endpoint.addr);
                }
                request = unsent;
            }
        }
    }
    let last = if exchange.direction == Direction::Inbound { last.of_app() } else { last };
    fault(worker, exchange, last, grpc)
}

/// Has the endpoint agreed to leave HTTP?
fn upgraded(answer: &Response<Incoming>, connect: bool) -> bool {
    answer.status() == StatusCode::SWITCHING_PROTOCOLS || (connect && answer.status().is_success())
}

fn pass_back(
    mut answer: Response<Incoming>,
    exchange: Rc<Exchange>,
    lease: pool::Lease,
    client: Option<OnUpgrade>,
    live: &Rc<Live>,
) -> Response<Body> {
    exchange.status.set(answer.status().as_u16());
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
