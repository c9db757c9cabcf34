use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::*;
use crate::testing::{Authority, Handler, Server, body, callout, fixed, nowhere, soon};
use crate::{Limits, TlsError};

const NODE: &str = "node-1";

fn kubelet(addr: SocketAddr, authority: &Authority) -> Kubelet {
    let identity = authority.identity("kube-apiserver");
    Kubelet { addr, server_name: NODE.to_owned(), bundle: authority.pem.clone(), identity }
}

fn logs() -> Request<Body> {
    let request = Request::get("/containerLogs/default/web/main?follow=true").header("authorization", "Bearer secret");
    request.body(body("")).unwrap()
}

#[tokio::test]
async fn logs_stream_as_they_come() {
    let authority = Authority::new();
    let (lines, receiver) = mpsc::channel::<Bytes>(1);
    let receiver = Arc::new(Mutex::new(Some(receiver)));
    let handler: Handler = Arc::new(move |request| {
        assert_eq!(request.uri(), "/containerLogs/default/web/main?follow=true");
        assert!(!request.headers().contains_key("authorization"), "the user's token is not the kubelet's business");
        let mut receiver = receiver.lock().unwrap().take().unwrap();
        let lines = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
        let lines = futures::StreamExt::map(lines, |line| Ok(Frame::data(line)));
        Box::pin(async move { Response::new(StreamBody::new(lines).boxed_unsync()) })
    });
    let server = Server::start(&authority.leaf(NODE), Some(&authority), handler).await;
    let client = callout(&[], Limits::default());
    let response = soon(client.kubelet(&kubelet(server.addr, &authority), logs())).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut answer = response.into_body();
    for line in ["one\n", "two\n"] {
        lines.send(Bytes::from(line)).await.unwrap();
        let frame = soon(answer.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), line, "it comes before the next one is sent");
    }
    drop(lines);
    assert!(soon(answer.frame()).await.is_none());
}

#[tokio::test]
async fn a_kubelet_that_is_not_there_or_not_itself_is_an_error() {
    let (authority, other) = (Authority::new(), Authority::new());
    let stranger = Server::start(&other.leaf(NODE), None, fixed(200, "")).await;
    let misnamed = Server::start(&authority.leaf("node-2"), None, fixed(200, "")).await;
    for (addr, text) in [
        (nowhere().await, "dial tcp 127.0.0.1:"),
        (stranger.addr, "tls: failed to verify certificate"),
        (misnamed.addr, "tls: failed to verify certificate"),
    ] {
        let client = callout(&[], Limits::default());
        let error = soon(client.kubelet(&kubelet(addr, &authority), logs())).await.unwrap_err();
        assert_eq!(error.code, 500);
        assert!(error.message.contains("error dialing backend: ") && error.message.contains(text), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_says_nothing_is_given_up() {
    let authority = Authority::new();
    let client = callout(&[], Limits::default());
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = client.kubelet(&kubelet(mute.local_addr().unwrap(), &authority), logs()).await.unwrap_err();
    assert!(error.message.ends_with(": i/o timeout"), "{error}");

    let server = Server::start(&authority.leaf(NODE), None, Arc::new(|_| Box::pin(std::future::pending()))).await;
    let limits = Limits { connect: Duration::from_secs(3600), ..Limits::default() };
    let client = callout(&[], limits);
    let error = client.kubelet(&kubelet(server.addr, &authority), logs()).await.unwrap_err();
    assert!(error.message.ends_with("context deadline exceeded"), "{error}");
}

#[tokio::test]
async fn an_unasked_switch_of_protocols_is_refused() {
    let authority = Authority::new();
    let handler: Handler = Arc::new(|_| {
        Box::pin(async { Response::builder().status(101).header("upgrade", "x").body(body("")).unwrap() })
    });
    let server = Server::start(&authority.leaf(NODE), None, handler).await;
    let client = callout(&[], Limits::default());
    let error = soon(client.kubelet(&kubelet(server.addr, &authority), logs())).await.unwrap_err();
    assert_eq!(error.code, 500);
}

#[test]
fn no_key_is_ever_shown() {
    let leaf = Authority::new().leaf(NODE);
    let identity = ClientCertificate::from_pem(&leaf.chain, &leaf.key).unwrap();
    assert_eq!(format!("{identity:?}"), "ClientCertificate { certificates: 1, .. }");
    let secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n";
    let error = ClientCertificate::from_pem(&leaf.chain, secret).unwrap_err();
    assert!(
        matches!(&error, TlsError::InvalidClientCertificate(_)) && !error.to_string().contains("c2VjcmV0"),
        "{error}"
    );
    assert!(ClientCertificate::from_pem("", &leaf.key).is_err());
}
