//! Requests whose end, or whose host, two readers would find in different places. What counts is what the application was sent.

use super::rig::{Door, Rig, status};

/// What must come of a message.
enum Expect {
    /// Nothing reaches the application; the client is told this, or nothing at all.
    Refused(&'static str),
    /// No complete request reaches the application; the connection ends.
    Cut,
    /// One request with this body.
    One(&'static str),
}
use Expect::{Cut, One, Refused};

struct Case {
    head: &'static str,
    rest: &'static str,
    expect: Expect,
}

const fn case(head: &'static str, rest: &'static str, expect: Expect) -> Case {
    Case { head, rest, expect }
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: web\r\n\r\n";

async fn run(door: Door, cases: &[Case]) {
    let rig = Rig::open().await;
    let recorder = rig.recorder().await;
    let line = if door == Door::Explicit { "POST http://web/ HTTP/1.1" } else { "POST / HTTP/1.1" };
    for Case { head, rest, expect } in cases {
        let message = format!("{line}\r\n{head}connection: close\r\n\r\n{rest}");
        let answer = rig.send(door, message.as_bytes(), matches!(expect, Cut)).await;
        let seen = rig.mark(door, &recorder).await;
        let context = format!("{door:?} {message:?}: {answer:?} {seen:?}");
        assert!(answer.matches("HTTP/1.1 200").count() <= 1, "one answer at most: {context}");
        match expect {
            Refused(code) => {
                assert!(seen.is_empty(), "{context}");
                assert_eq!(status(&answer), *code, "{context}");
            }
            Cut => assert!(seen.is_empty() && status(&answer) != "200", "{context}"),
            One(body) => {
                assert_eq!((seen.len(), status(&answer)), (1, "200"), "{context}");
                assert_eq!((&*seen[0].line, &*seen[0].body), ("POST / HTTP/1.1", *body), "{context}");
            }
        }
    }
}

fn framing() -> Vec<Case> {
    vec![
        // Lengths.
        case("host: web\r\ncontent-length: 2\r\n", "hi", One("hi")),
        case("host: web\r\ncontent-length: 2\r\ncontent-length: 2\r\n", "hi", One("hi")),
        case("host: web\r\ncontent-length: 2\r\ncontent-length: 40\r\n", SMUGGLED, Refused("400")),
        case("host: web\r\ncontent-length: 2, 40\r\n", SMUGGLED, Refused("400")),
        case("host: web\r\ncontent-length: 2, 2\r\n", "hi", Refused("400")),
        case("host: web\r\ncontent-length: +2\r\n", "hi", Refused("400")),
        case("host: web\r\ncontent-length: -2\r\n", "hi", Refused("400")),
        case("host: web\r\ncontent-length: 0x2\r\n", "hi", Refused("400")),
        case("host: web\r\ncontent-length: 2 2\r\n", "hi", Refused("400")),
        case("host: web\r\ncontent-length: \r\n", "hi", Refused("400")),
        case("host: web\r\ncontent-length: 99999999999999999999999\r\n", "hi", Refused("400")),
        case("host: web\r\ncontent-length : 2\r\n", "hi", Refused("400")),
        case("host: web\r\ncontent-length: 50\r\n", "too short", Cut),
        // What follows the message isn't another one: the connection was to be closed.
        case("host: web\r\ncontent-length: 2\r\n", "hiGET /smuggled HTTP/1.1\r\nhost: web\r\n\r\n", One("hi")),
        // Both: chunked counts, the length is gone.
        case("host: web\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n", One("")),
        case(
            "host: web\r\ntransfer-encoding: chunked\r\ncontent-length: 6\r\n",
            "0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: web\r\n\r\n",
            One(""),
        ),
        // Codings.
        case("host: web\r\ntransfer-encoding: CHUNKED\r\n", "2\r\nhi\r\n0\r\n\r\n", One("hi")),
        case("host: web\r\ntransfer-encoding:\tchunked\t\r\n", "2\r\nhi\r\n0\r\n\r\n", One("hi")),
        case("host: web\r\ntransfer-encoding: chunked, identity\r\n", "2\r\nhi\r\n0\r\n\r\n", Refused("400")),
        case("host: web\r\ntransfer-encoding: identity, chunked\r\n", "2\r\nhi\r\n0\r\n\r\n", Refused("400")),
        case("host: web\r\ntransfer-encoding: gzip, chunked\r\n", "2\r\nhi\r\n0\r\n\r\n", Refused("400")),
        case("host: web\r\ntransfer-encoding: xchunked\r\n", SMUGGLED, Refused("400")),
        case("host: web\r\ntransfer-encoding: chunked;x=y\r\n", SMUGGLED, Refused("400")),
        case("host: web\r\ntransfer-encoding: \"chunked\"\r\n", SMUGGLED, Refused("400")),
        case("host: web\r\ntransfer-encoding: chunked chunked\r\n", SMUGGLED, Refused("400")),
        case("host: web\r\ntransfer-encoding: chunked,\r\n", SMUGGLED, Refused("400")),
        case("host: web\r\ntransfer-encoding: \x0bchunked\r\n", SMUGGLED, Refused("400")),
        case("host: web\r\ntransfer-encoding : chunked\r\n", SMUGGLED, Refused("400")),
        case(
            "host: web\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "2\r\nhi\r\n0\r\n\r\n",
            Refused("400"),
        ),
        case("host: web\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n", SMUGGLED, Refused("400")),
    ]
}

fn chunks() -> Vec<Case> {
    const HEAD: &str = "host: web\r\ntransfer-encoding: chunked\r\n";
    vec![
        case(HEAD, "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", One("hello world")),
        case(HEAD, "00000005\r\nhello\r\n0\r\n\r\n", One("hello")),
        case(HEAD, "A\r\n0123456789\r\n0\r\n\r\n", One("0123456789")),
        case(HEAD, "5;name=value\r\nhello\r\n0;last\r\n\r\n", One("hello")),
        case(HEAD, "5 \r\nhello\r\n0\r\n\r\n", One("hello")),
        case(HEAD, "5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n", One("hello")),
        case(HEAD, "+5\r\nhello\r\n0\r\n\r\n", Cut),
        case(HEAD, "-5\r\nhello\r\n0\r\n\r\n", Cut),
        case(HEAD, " 5\r\nhello\r\n0\r\n\r\n", Cut),
        case(HEAD, "0x5\r\nhello\r\n0\r\n\r\n", Cut),
        case(HEAD, "5 5\r\nhello\r\n0\r\n\r\n", Cut),
        case(HEAD, "\r\nhello\r\n0\r\n\r\n", Cut),
        case(HEAD, "g\r\nhello\r\n0\r\n\r\n", Cut),
        case(HEAD, "5\nhello\n0\n\n", Cut),
        case(HEAD, "5\rXhello\r\n0\r\n\r\n", Cut),
        case(HEAD, "5;a\nb\r\nhello\r\n0\r\n\r\n", Cut),
        case(HEAD, "5;a\rb\r\nhello\r\n0\r\n\r\n", Cut),
        case(HEAD, "5\r\nhelloXX0\r\n\r\n", Cut),
        case(HEAD, "5\r\nhello0\r\n\r\n", Cut),
        case(HEAD, "ffffffffffffffff5\r\nhello\r\n0\r\n\r\n", Cut),
        case(HEAD, "10000000000000000\r\nhello\r\n0\r\n\r\n", Cut),
        case(HEAD, "fffffffffffffffe\r\nhello\r\n0\r\n\r\n", Cut),
        case(HEAD, "5\r\nhello\r\n0\r\nno colon\r\n\r\n", Cut),
        case(HEAD, "5\r\nhello\r\n0\r\nx: a\ny: b\r\n\r\n", Cut),
        case(HEAD, "5\r\nhello\r\n", Cut),
        case(HEAD, "0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: web\r\n\r\n", One("")),
    ]
}

fn heads() -> Vec<Case> {
    vec![
        // A bare LF ends a line (RFC 9112 §2.2), and is a CR LF from here on.
        case("host: web\nx-a: 1\ncontent-length: 2\n", "hi", One("hi")),
        case("host: web\r\nx-a: 1\rcontent-length: 40\r\n", SMUGGLED, Refused("400")),
        case("host: web\r\nx-a: 1\r content-length: 40\r\n", SMUGGLED, Refused("400")),
        case("host: web\r\nx-a: 1\r\n folded: 2\r\ncontent-length: 2\r\n", "hi", Refused("400")),
        case("host: web\r\nx-a: 1\r\n\tcontent-length: 40\r\n", SMUGGLED, Refused("400")),
        case(" host: web\r\ncontent-length: 2\r\n", "hi", Refused("400")),
        case("host: web\r\nno colon\r\n", "", Refused("400")),
        case("host: web\r\n: no name\r\n", "", Refused("400")),
        case("host: web\r\nx a: 1\r\n", "", Refused("400")),
        case("host: web\r\nx-a\0: 1\r\n", "", Refused("400")),
        case("host: web\r\nx-a: 1\0\r\n", "", Refused("400")),
        case("host: web\r\nx-a: \x01\r\n", "", Refused("400")),
        case("host: web\r\nx-a: \x7f\r\n", "", Refused("400")),
    ]
}

fn hosts() -> Vec<Case> {
    vec![
        case("", "", Refused("400")),
        case("host: web\r\nhost: web\r\n", "", Refused("400")),
        case("host: web\r\nhost: other\r\n", "", Refused("400")),
        case("host: user@web\r\n", "", Refused("400")),
        case("host: web other\r\n", "", Refused("400")),
        case("host: web,other\r\n", "", Refused("400")),
        case("host: web/path\r\n", "", Refused("400")),
        case("host: web:99999\r\n", "", Refused("400")),
        case("host: web:80:80\r\n", "", Refused("400")),
        case("host: w\teb\r\n", "", Refused("400")),
        case("host: w\x01eb\r\n", "", Refused("400")),
        case("host: caf\u{e9}\r\n", "", Refused("400")),
    ]
}

#[tokio::test]
async fn lengths_and_codings_that_contradict_each_other() {
    for door in Door::ALL {
        run(door, &framing()).await;
    }
}

#[tokio::test]
async fn odd_chunks() {
    for door in Door::DIRECT {
        run(door, &chunks()).await;
    }
}

#[tokio::test]
async fn odd_heads() {
    for door in Door::ALL {
        run(door, &heads()).await;
    }
}

#[tokio::test]
async fn odd_hosts() {
    for door in Door::DIRECT {
        run(door, &hosts()).await;
    }
}

#[tokio::test]
async fn odd_request_lines() {
    let rig = Rig::open().await;
    let recorder = rig.recorder().await;
    // The first request line of a connection also says whether it is HTTP at all: these come second.
    for door in Door::DIRECT {
        for line in [
            "GET /a b HTTP/1.1",
            "GET  / HTTP/1.1",
            "GET /\thttp HTTP/1.1",
            "GET / HTTP/1.2",
            "GET / HTTP/2.0",
            "GET / http/1.1",
            "GET /smuggled",
            "GET admin HTTP/1.1",
            "GET web:80 HTTP/1.1",
            "GET * HTTP/1.1",
            "GET ftp://web/ HTTP/1.1",
            "GET http://user@web/ HTTP/1.1",
            "GET http:///x HTTP/1.1",
            "GET /\0 HTTP/1.1",
            "GET /\u{7f} HTTP/1.1",
            "CONNECT / HTTP/1.1",
            "CONNECT web HTTP/1.1",
            "G\u{e9}T / HTTP/1.1",
            "G ET / HTTP/1.1",
            ": / HTTP/1.1",
        ] {
            let message =
                format!("GET /first HTTP/1.1\r\nhost: web\r\n\r\n{line}\r\nhost: web\r\nconnection: close\r\n\r\n");
            let answer = rig.send(door, message.as_bytes(), false).await;
            let seen = rig.mark(door, &recorder).await;
            let lines: Vec<_> = seen.iter().map(|s| &*s.line).collect();
            assert_eq!(lines, ["GET /first HTTP/1.1"], "{door:?} {line:?}: {answer}");
            assert!(
                answer.matches("HTTP/1.1 200").count() == 1 && answer.contains("HTTP/1.1 400"),
                "{door:?} {line:?}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_one_by_one() {
    let rig = Rig::open().await;
    let recorder = rig.recorder().await;
    for door in Door::DIRECT {
        let two = "POST /1 HTTP/1.1\r\nhost: web\r\ncontent-length: 2\r\n\r\nhi\
                   GET /2 HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n\
                   GET /smuggled HTTP/1.1\r\nhost: web\r\n\r\n";
        let answer = rig.send(door, two.as_bytes(), false).await;
        assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{door:?}: {answer}");
        let seen = rig.mark(door, &recorder).await;
        let lines: Vec<_> = seen.iter().map(|s| &*s.line).collect();
        assert_eq!(lines, ["POST /1 HTTP/1.1", "GET /2 HTTP/1.1"], "{door:?}");
    }
}

#[tokio::test]
async fn old_versions_frame_as_they_may() {
    let rig = Rig::open().await;
    let recorder = rig.recorder().await;
    for door in Door::DIRECT {
        let chunked = "POST / HTTP/1.0\r\nhost: web\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(status(&rig.send(door, chunked.as_bytes(), false).await), "400", "{door:?}");
        assert!(rig.mark(door, &recorder).await.is_empty());
        let answer = rig.send(door, b"GET /old HTTP/1.0\r\n\r\nGET /smuggled HTTP/1.0\r\n\r\n", false).await;
        assert_eq!(status(&answer), "200", "{door:?}");
        let seen = rig.mark(door, &recorder).await;
        assert_eq!((seen.len(), &*seen[0].line, seen[0].field("host")), (1, "GET /old HTTP/1.1", Some("")), "{door:?}");
    }
}

#[tokio::test]
async fn heads_are_bounded() {
    let rig = Rig::open().await;
    let recorder = rig.recorder().await;
    let big = |bytes: usize| {
        format!("GET / HTTP/1.1\r\nhost: web\r\nx-big: {}\r\nconnection: close\r\n\r\n", "a".repeat(bytes))
    };
    let many = |fields: usize| {
        let fields: String = (0..fields).map(|n| format!("x-{n}: 1\r\n")).collect();
        format!("GET / HTTP/1.1\r\nhost: web\r\n{fields}connection: close\r\n\r\n")
    };
    let trailers = |bytes: usize| {
        format!(
            "POST / HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\nx: {}\r\n\r\n",
            "a".repeat(bytes)
        )
    };
    let extensions = |bytes: usize| {
        format!(
            "POST / HTTP/1.1\r\nhost: web\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n1;{}\r\na\r\n0\r\n\r\n",
            "e".repeat(bytes)
        )
    };
    let (bytes, fields) = (isthmus_proxy::limits::HEAD_BYTES, isthmus_proxy::limits::HEADER_FIELDS);
    for door in Door::DIRECT {
        for (message, taken) in [
            (big(bytes / 2), true),
            (big(bytes * 2), false),
            (many(fields / 2), true),
            (many(fields * 2), false),
            (trailers(1000), true),
            (trailers(bytes * 2), false),
            (extensions(1000), true),
            (extensions(20_000), false),
        ] {
            let answer = rig.send(door, message.as_bytes(), false).await;
            let seen = rig.mark(door, &recorder).await;
            assert_eq!(seen.len(), usize::from(taken), "{door:?} {} {answer}", &message[..200]);
        }
        assert_eq!(status(&rig.send(door, many(fields * 2).as_bytes(), false).await), "431");
    }
}
