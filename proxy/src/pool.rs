//! Connections to one endpoint that are kept for the next request. One pool per worker and endpoint: nothing is shared.

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    rc::Rc,
    time::{Duration, Instant},
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Mutex;

use crate::{
    endpoint::{Alpn, EndpointState, LastUse},
    fault::Fault,
    flood::Guarded,
    last_words::LastWords,
    limits::{
        CONNECTION_WINDOW, DIAL_TURN, ERROR_RESETS, FRAME_BYTES, HEAD_BYTES, HEADER_TABLE, POOL_IDLE, POOL_IDLE_TIME,
        STREAM_SEND_BUFFER, STREAM_WINDOW, UPSTREAM_H2_CONNECTIONS, UPSTREAM_STREAMS,
    },
    opened::{Open, Opened},
    resend::Sending,
    spawn::{self, Local},
    turns::{Next, Turns},
    worker::Worker,
};

type H1 = http1::SendRequest<Sending>;
type H2 = http2::SendRequest<Sending>;

/// The connections of one worker to one endpoint.
#[derive(Default)]
pub(crate) struct Pool {
    /// Idle ones; the one used last is taken first.
    http1: RefCell<Vec<(H1, LastUse)>>,
    http2: RefCell<Vec<Multiplexed>>,
    /// All, idle or not.
    opened: Rc<Opened>,
    /// Held while an HTTP/2 connection is made, so that a burst makes one and not hundreds.
    dialling: Mutex<()>,
    /// The same for HTTP/1, where a request needs a connection of its own.
    turns: Turns,
}

#[derive(Clone)]
struct Multiplexed {
    sender: H2,
    opened: Instant,
    active: Rc<Cell<usize>>,
    used: Rc<Cell<LastUse>>,
}

impl Multiplexed {
    /// For one more request.
    fn take(self) -> Self {
        self.active.set(self.active.get() + 1);
        self
    }
}

/// The right to send one request on a connection.
pub(crate) struct Lease {
    pub(crate) endpoint: Rc<EndpointState>,
    connection: Option<Leased>,
    /// Was the connection used before? Then its end may have been the endpoint's idle timeout.
    pub(crate) reused: bool,
    worker: Rc<Worker>,
    sent: Instant,
    latency: Option<Duration>,
}

enum Leased {
    Http1(H1),
    Http2(Multiplexed),
}

/// Takes a connection from the endpoint's pool, or makes one. `since` asks for one that is newer.
pub(crate) async fn lease(
    worker: &Rc<Worker>,
    endpoint: &Rc<EndpointState>,
    http2: bool,
    since: Option<Instant>,
) -> Result<Lease, Fault> {
    let (connection, reused) = if http2 {
        match endpoint.pool.free_http2(since) {
            Some(connection) => (Leased::Http2(connection.take()), true),
            None => {
                Box::pin(multiplexed(worker, endpoint, since)).await.map(|(c, reused)| (Leased::Http2(c), reused))?
            }
        }
    } else {
        match if since.is_some() { None } else { endpoint.pool.idle().await } {
            Some(sender) => (Leased::Http1(sender), true),
            // Boxed: a request that finds a connection shall not carry the room for a handshake.
            None => Box::pin(one_more(worker, endpoint, since)).await.map(|(c, reused)| (Leased::Http1(c), reused))?,
        }
    };
    endpoint.load.borrow_mut().begin();
    let worker = Rc::clone(worker);
    Ok(Lease {
        endpoint: Rc::clone(endpoint),
        connection: Some(connection),
        reused,
        worker,
        sent: Instant::now(),
        latency: None,
    })
}

impl Lease {
    pub(crate) async fn send(
        &mut self,
        request: Request<Sending>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Sending>>> {
        let answer = match &mut self.connection {
            Some(Leased::Http1(sender)) => sender.try_send_request(request).await,
            Some(Leased::Http2(connection)) => connection.sender.try_send_request(request).await,
            // A lease has its connection until `done` has consumed it.
            None => std::future::pending().await,
        };
        if answer.is_ok() {
            self.latency = Some(self.sent.elapsed());
        }
        answer
    }

    /// The answer wasn't the application's: it says nothing of how fast that is.
    pub(crate) fn disregard(&mut self) {
        self.latency = None;
    }

    /// The connection leaves HTTP: as what becomes of it, it can be cut like any other.
    pub(crate) fn leave(&self) -> Open {
        self.endpoint.pool.opened.enter()
    }

    /// The answer is complete. A connection whose request is still being sent can't be used again.
    pub(crate) fn done(mut self, request_done: bool) {
        if request_done
            && let Some(Leased::Http1(sender)) = self.connection.take_if(|c| matches!(c, Leased::Http1(_)))
            && !sender.is_closed()
        {
            self.endpoint.pool.keep(sender);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(Leased::Http2(connection)) = &self.connection {
            connection.active.set(connection.active.get().saturating_sub(1));
            connection.used.set(Instant::now());
        }
        self.endpoint.load.borrow_mut().end(self.worker.now(), self.latency);
    }
}

impl Pool {
    async fn idle(&self) -> Option<H1> {
        loop {
            let (mut sender, _) = self.http1.borrow_mut().pop()?;
            if sender.is_ready() || (!sender.is_closed() && sender.ready().await.is_ok()) {
                return Some(sender);
            }
        }
    }

    fn keep(&self, sender: H1) {
        let mut idle = self.http1.borrow_mut();
        if idle.len() < POOL_IDLE {
            idle.push((sender, Instant::now()));
            self.turns.freed();
        }
    }

    /// The least busy connection, unless another should be made.
    fn free_http2(&self, since: Option<Instant>) -> Option<Multiplexed> {
        let mut all = self.http2.borrow_mut();
        all.retain(|c| !c.sender.is_closed());
        let least = all.iter().max_by_key(|c| (since.is_none_or(|s| c.opened > s), Reverse(c.active.get())))?;
        let busy = least.active.get() >= UPSTREAM_STREAMS || since.is_some_and(|s| least.opened <= s);
        (!busy || all.len() >= UPSTREAM_H2_CONNECTIONS).then(|| least.clone())
    }

    /// Closes what has been idle for long.
    pub(crate) fn sweep(&self, now: Instant) {
        let fresh = |used: &Instant| now.saturating_duration_since(*used) < POOL_IDLE_TIME;
        self.http1.borrow_mut().retain(|(sender, used)| !sender.is_closed() && fresh(used));
        self.http2.borrow_mut().retain(|c| !c.sender.is_closed() && (c.active.get() > 0 || fresh(&c.used.get())));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.http1.borrow().is_empty() && self.http2.borrow().is_empty()
    }

    /// Cuts every connection, those in use too; how many.
    pub(crate) fn cut(&self) -> u32 {
        self.http1.borrow_mut().clear();
        self.http2.borrow_mut().clear();
        self.opened.cut()
    }

    /// Runs a connection until it ends or is to be cut.
    fn run<E: std::fmt::Display>(&self, connection: impl Future<Output = Result<(), E>> + 'static) {
        let open = self.opened.enter();
        spawn::local(async move {
            if let Some(Err(error)) = open.carry(connection).await {
                tracing::debug!(%error, "connection to an endpoint ended");
            }
        });
    }
}

async fn multiplexed(
    worker: &Rc<Worker>,
    endpoint: &Rc<EndpointState>,
    since: Option<Instant>,
) -> Result<(Multiplexed, bool), Fault> {
    let _one_at_a_time = endpoint.pool.dialling.lock().await;
    if let Some(connection) = endpoint.pool.free_http2(since) {
        return Ok((connection.take(), true));
    }
    let sender = open_http2(worker, endpoint).await?;
    let opened = Instant::now();
    let connection = Multiplexed { sender, opened, active: Rc::default(), used: Rc::new(Cell::new(opened)) };
    endpoint.pool.http2.borrow_mut().push(connection.clone());
    Ok((connection.take(), false))
}

/// Makes a connection when it is this request's turn, unless one becomes idle before.
async fn one_more(
    worker: &Rc<Worker>,
    endpoint: &Rc<EndpointState>,
    since: Option<Instant>,
) -> Result<(H1, bool), Fault> {
    let pool = &endpoint.pool;
    let until = tokio::time::Instant::now() + DIAL_TURN;
    loop {
        match pool.turns.next(until, since.is_none()).await {
            Next::Dial(_turn) => return open_http1(worker, endpoint).await.map(|sender| (sender, false)),
            Next::Look => {
                if let Some(sender) = pool.idle().await {
                    return Ok((sender, true));
                }
            }
        }
    }
}

async fn open_http1(worker: &Rc<Worker>, endpoint: &Rc<EndpointState>) -> Result<H1, Fault> {
    let stream = endpoint.dial(worker, Alpn::Http1).await?;
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_header_size(HEAD_BYTES)
        .handshake(TokioIo::new(LastWords::of(stream)))
        .await
        .map_err(|_| Fault::ConnectFailed)?;
    endpoint.still_trusted(worker)?;
    endpoint.pool.run(connection.with_upgrades());
    Ok(sender)
}

async fn open_http2(worker: &Rc<Worker>, endpoint: &Rc<EndpointState>) -> Result<H2, Fault> {
    let stream = endpoint.dial(worker, Alpn::Http2).await?;
    let (sender, connection) = http2::Builder::new(Local)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEAD_BYTES as u32)
        .max_frame_size(FRAME_BYTES)
        .header_table_size(HEADER_TABLE)
        .max_send_buf_size(STREAM_SEND_BUFFER)
        .max_local_error_reset_streams(ERROR_RESETS)
        .handshake(TokioIo::new(Guarded::client(stream)))
        .await
        .map_err(|_| Fault::ConnectFailed)?;
    endpoint.still_trusted(worker)?;
    endpoint.pool.run(connection);
    Ok(sender)
}
