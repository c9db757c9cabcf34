//! Endpoints that answer to harm: nothing of it reaches a client as another answer, and no connection is used again.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use super::rig::{Door, PORT, Rig, status};
use crate::support::{app, soon};

/// An application that gives this answer to every request, and how many connections it has taken.
async fn answering(rig: &Rig, answer: &'static str, close: bool) -> Arc<AtomicUsize> {
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    app::tcp((rig.callee.app, PORT).into(), move |stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut io = BufReader::new(stream);
            loop {
                let mut line = String::new();
                while line != "\r\n" {
                    line.clear();
                    if !io.read_line(&mut line).await.is_ok_and(|n| n > 0) {
                        return;
                    }
                }
                if io.write_all(answer.as_bytes()).await.is_err() || close {
                    return;
                }
            }
        }
    })
    .await;
    connections
}

async fn ask(rig: &Rig, door: Door, method: &str) -> String {
    let request = format!("{method} / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n");
    rig.send(door, request.as_bytes(), false).await
}

#[tokio::test]
async fn answers_that_could_be_read_in_two_ways_become_a_502() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 9\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 9\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: evil\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-a: 1\r\n folded: 2\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-a: 1\rset-cookie: evil\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx-a: \0\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx a: 1\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        "<html>HTTP/0.9</html>\r\n\r\n",
        "HTTP/1.1 200",
    ] {
        let rig = Rig::open().await;
        answering(&rig, answer, true).await;
        for door in Door::DIRECT {
            let heard = ask(&rig, door, "GET").await;
            assert_eq!(status(&heard), "502", "{door:?} {answer:?}: {heard}");
            assert!(!heard.contains("evil"), "{door:?} {answer:?}: {heard}");
        }
    }
}

#[tokio::test]
async fn oversized_answers_become_a_502() {
    let big = format!(
        "HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n",
        "a".repeat(isthmus_proxy::limits::HEAD_BYTES * 2)
    );
    let fields: String = (0..isthmus_proxy::limits::HEADER_FIELDS * 2).map(|n| format!("x-{n}: 1\r\n")).collect();
    let many = format!("HTTP/1.1 200 OK\r\n{fields}content-length: 0\r\n\r\n");
    for answer in [big, many] {
        let rig = Rig::open().await;
        answering(&rig, answer.leak(), true).await;
        for door in Door::DIRECT {
            assert_eq!(status(&ask(&rig, door, "GET").await), "502", "{door:?}");
        }
    }
}

#[tokio::test]
async fn one_reading_is_passed_on() {
    for (answer, method, body) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nhi", "GET", "hi"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "GET", "hi"),
        ("HTTP/1.1 200 OK\ncontent-length: 2\n\nhi", "GET", "hi"),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", "GET", "until the end"),
        ("HTTP/1.0 200 OK\r\n\r\nold", "GET", "old"),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nhi", "GET", ""),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "HEAD", ""),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\nhi", "GET", ""),
    ] {
        let rig = Rig::open().await;
        answering(&rig, answer, true).await;
        for door in Door::DIRECT {
            let heard = ask(&rig, door, method).await;
            let (head, rest) = heard.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{door:?} {answer:?}: {heard:?}"));
            let chunked = head.contains("transfer-encoding: chunked");
            let expected = if chunked { format!("{:X}\r\n{body}\r\n0\r\n\r\n", body.len()) } else { body.to_owned() };
            assert_eq!(rest, expected, "{door:?} {answer:?}");
            let lengths = head.matches("content-length").count();
            assert!(lengths <= usize::from(!chunked), "{door:?} {answer:?}: {head}");
        }
    }
}

#[tokio::test]
async fn what_follows_an_answer_is_nobodys_answer() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokgarbage",
    ] {
        let rig = Rig::open().await;
        let connections = answering(&rig, answer, false).await;
        for door in Door::DIRECT {
            let before = connections.load(Ordering::SeqCst);
            for _ in 0..3 {
                let heard = ask(&rig, door, "GET").await;
                assert!(!heard.contains("evil") && !heard.contains("garbage"), "{door:?} {answer:?}: {heard}");
                assert!(matches!(status(&heard), "200" | "204"), "{door:?} {answer:?}: {heard}");
            }
            assert_eq!(
                connections.load(Ordering::SeqCst) - before,
                3,
                "no connection is used again: {door:?} {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_ends_early_does_not_end_in_order() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\nxyz\r\n",
    ] {
        let rig = Rig::open().await;
        answering(&rig, answer, true).await;
        for door in Door::DIRECT {
            let heard = ask(&rig, door, "GET").await;
            // The client can tell: neither the length nor the last chunk has come.
            assert!(!heard.ends_with("0\r\n\r\n"), "{door:?} {answer:?}: {heard}");
            assert!(
                heard.contains("content-length: 100") || heard.contains("transfer-encoding: chunked"),
                "{door:?}: {heard}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_before_the_request_is_nobodys() {
    let rig = Rig::open().await;
    app::tcp((rig.callee.app, PORT).into(), |mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil").await;
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    })
    .await;
    for door in Door::DIRECT {
        let mut io = rig.connect(door).await;
        io.write_all(b"POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 4\r\n\r\n").await.unwrap();
        let mut heard = vec![0; 9];
        let _ = soon("an answer", io.read_exact(&mut heard)).await;
        // What an endpoint says at once may be its answer, but then the connection isn't used for a second request.
        io.write_all(b"body").await.ok();
        drop(io);
    }
    let mut io = rig.connect(Door::Plaintext).await;
    io.write_all(b"GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut all = String::new();
    let _ = soon("the end", io.read_to_string(&mut all)).await;
    assert!(all.matches("evil").count() <= 1, "{all}");
}
