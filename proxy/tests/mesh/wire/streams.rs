//! HTTP/2 streams: resets pass both ways with their reasons, and connections that are to end take nothing with them.

use std::future::poll_fn;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client, server};
use http::{Request, Response};
use tokio::{net::TcpStream, sync::mpsc};

use super::{PORT, Pair, Stage};
use crate::support::soon;

type Asked = (Request<RecvStream>, server::SendResponse<Bytes>);

/// A client and an application that are played frame by frame.
struct Play {
    client: client::SendRequest<Bytes>,
    asked: mpsc::UnboundedReceiver<Asked>,
    _pair: Pair,
}

impl Play {
    /// `goodbye`: the application ends each connection in order once it has taken that many requests on it.
    async fn start(goodbye: usize) -> Self {
        let pair = Pair::start(PORT).await;
        let mut stage = Stage::of(&pair).await;
        let (send, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(stream) = stage.connections.recv().await {
                let send = send.clone();
                tokio::spawn(async move {
                    let mut connection = server::handshake(stream).await.unwrap();
                    let mut taken = 0;
                    while let Some(Ok(request)) = connection.accept().await {
                        let _ = send.send(request);
                        taken += 1;
                        if taken == goodbye {
                            connection.graceful_shutdown();
                        }
                    }
                });
            }
        });
        let stream = TcpStream::connect(pair.caller.call(0)).await.unwrap();
        let (client, connection) = client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self { client, asked, _pair: pair }
    }

    async fn ask(&mut self) -> (client::ResponseFuture, SendStream<Bytes>) {
        self.client = soon("a turn", self.client.clone().ready()).await.unwrap();
        self.client.send_request(Request::post("http://web/").body(()).unwrap(), false).unwrap()
    }

    async fn asked(&mut self) -> Asked {
        soon("a request", self.asked.recv()).await.unwrap()
    }
}

const REASONS: [Reason; 3] = [Reason::CANCEL, Reason::INTERNAL_ERROR, Reason::ENHANCE_YOUR_CALM];

#[tokio::test]
async fn a_clients_reset_reaches_the_application() {
    let mut play = Play::start(usize::MAX).await;
    for reason in REASONS {
        // Before the answer.
        let (answer, mut body) = play.ask().await;
        let (_request, mut respond) = play.asked().await;
        body.send_reset(reason);
        let seen = soon("the reset", poll_fn(|cx| respond.poll_reset(cx))).await.unwrap();
        // Whichever of the two the proxies meet first: that the body broke off, or that nobody awaits the answer.
        assert!([reason, Reason::CANCEL].contains(&seen), "{seen}");
        drop(answer);
        // Amid both bodies.
        let (answer, mut body) = play.ask().await;
        let (request, mut respond) = play.asked().await;
        let mut sending = respond.send_response(Response::new(()), false).unwrap();
        let _heard = soon("a head", answer).await.unwrap();
        body.send_data(Bytes::from_static(b"part"), false).unwrap();
        let mut request = request.into_body();
        assert_eq!(soon("a part", request.data()).await.unwrap().unwrap(), "part");
        body.send_reset(reason);
        soon("the reset", poll_fn(|cx| sending.poll_reset(cx))).await.unwrap();
        assert!(soon("the end", request.data()).await.unwrap().unwrap_err().is_reset());
    }
}

#[tokio::test]
async fn the_applications_reset_reaches_the_client() {
    let mut play = Play::start(usize::MAX).await;
    for reason in REASONS {
        let (answer, mut body) = play.ask().await;
        let (_request, mut respond) = play.asked().await;
        let mut sending = respond.send_response(Response::new(()), false).unwrap();
        sending.send_data(Bytes::from_static(b"part"), false).unwrap();
        let mut heard = soon("a head", answer).await.unwrap().into_body();
        assert_eq!(soon("a part", heard.data()).await.unwrap().unwrap(), "part");
        sending.send_reset(reason);
        let error = soon("the reset", heard.data()).await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(reason), "{error}");
        assert_eq!(soon("the reset", poll_fn(|cx| body.poll_reset(cx))).await.unwrap(), reason);
    }
    // Before the answer there is nothing to cut short: the client gets one that says so.
    let (answer, _body) = play.ask().await;
    let (_request, mut respond) = play.asked().await;
    respond.send_reset(Reason::INTERNAL_ERROR);
    let answer = soon("an answer", answer).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-isthmus-error"]),
        (502, &"upstream-closed".parse().unwrap())
    );
}

#[tokio::test]
async fn an_answer_may_come_before_the_end_of_the_request() {
    let mut play = Play::start(usize::MAX).await;
    let (answer, _body) = play.ask().await;
    let (request, mut respond) = play.asked().await;
    let mut sending = respond.send_response(Response::builder().status(413).body(()).unwrap(), false).unwrap();
    sending.send_data(Bytes::from_static(b"big"), true).unwrap();
    // h2 tells that the rest isn't needed by a reset with NO_ERROR (RFC 9113 §8.1).
    drop((request, respond, sending));
    let answer = soon("an answer", answer).await.unwrap();
    assert_eq!(answer.status(), 413);
    let mut heard = answer.into_body();
    assert_eq!(soon("the body", heard.data()).await.unwrap().unwrap(), "big");
    assert!(soon("the end", heard.data()).await.is_none());
}

#[tokio::test]
async fn connections_that_are_told_to_end_cost_no_request() {
    let mut play = Play::start(3).await;
    let mut open = Vec::new();
    for n in 0..30 {
        let (answer, mut body) = play.ask().await;
        let (request, mut respond) = play.asked().await;
        let sending = respond.send_response(Response::new(()), false).unwrap();
        let heard = soon("a head", answer).await.unwrap().into_body();
        body.send_data(Bytes::from(vec![n; 10]), true).unwrap();
        open.push((n, request.into_body(), sending, heard));
    }
    // Those that were under way when their connection's end was announced finish on it.
    for (n, mut request, mut sending, mut heard) in open {
        assert_eq!(soon("a body", request.data()).await.unwrap().unwrap(), vec![n; 10]);
        sending.send_data(Bytes::from(vec![n; 20]), true).unwrap();
        assert_eq!(soon("an answer", heard.data()).await.unwrap().unwrap(), vec![n; 20]);
        assert!(soon("its end", heard.data()).await.is_none());
    }
}
