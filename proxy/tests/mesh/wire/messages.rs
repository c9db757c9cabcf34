//! How HTTP/1 messages begin and end, with what is written on either side.

use super::{PORT, Pair, Stage, Wire};

/// What the client sends, what the application answers, and what the client is to read of it until the end.
struct Case {
    what: &'static str,
    request: &'static str,
    answer: &'static str,
    /// Does the application close after its answer?
    closes: bool,
    /// Parts of the client's head; those with `!` mustn't be there.
    head: &'static [&'static str],
    body: &'static str,
}

const GET: &str = "GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n";
const OLD: &str = "GET / HTTP/1.0\r\nhost: web\r\n\r\n";
const TE: &str = "GET / HTTP/1.1\r\nhost: web\r\nte: trailers\r\nconnection: te, close\r\n\r\n";
const CHUNKS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
    3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 5\r\n\r\n";

const CASES: &[Case] = &[
    Case {
        what: "HEAD tells a length that no body follows",
        request: "HEAD / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n",
        answer: "HTTP/1.1 200 OK\r\ncontent-length: 12345\r\n\r\n",
        closes: false,
        head: &["200 ok", "content-length: 12345"],
        body: "",
    },
    Case {
        what: "HEAD of a chunked resource",
        request: "HEAD / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n",
        answer: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        closes: false,
        head: &["200 ok"],
        body: "",
    },
    Case {
        what: "204 has no body",
        request: GET,
        answer: "HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n",
        closes: false,
        head: &["204 no content", "x-a: b", "!content-length", "!transfer-encoding"],
        body: "",
    },
    Case {
        what: "304 tells the length of what it stands for",
        request: GET,
        answer: "HTTP/1.1 304 Not Modified\r\ncontent-length: 777\r\netag: \"x\"\r\n\r\n",
        closes: false,
        head: &["304 not modified", "etag: \"x\""],
        body: "",
    },
    Case {
        what: "an answer that ends with the connection becomes chunks",
        request: GET,
        answer: "HTTP/1.0 200 OK\r\n\r\nall of it",
        closes: true,
        head: &["http/1.1 200 ok", "transfer-encoding: chunked"],
        body: "9\r\nall of it\r\n0\r\n\r\n",
    },
    Case {
        what: "and stays what it is for a client of HTTP/1.0",
        request: OLD,
        answer: "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it",
        closes: true,
        head: &["http/1.0 200 ok", "!transfer-encoding", "!content-length"],
        body: "all of it",
    },
    Case {
        what: "a client of HTTP/1.0 gets no chunks",
        request: OLD,
        answer: CHUNKS,
        closes: false,
        head: &["http/1.0 200 ok", "!transfer-encoding"],
        body: "abcde",
    },
    Case {
        what: "trailers go to a client that takes them",
        request: TE,
        answer: CHUNKS,
        closes: false,
        head: &["200 ok", "transfer-encoding: chunked", "trailer: x-sum"],
        body: "3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 5\r\n\r\n",
    },
    Case {
        what: "and to no other",
        request: GET,
        answer: CHUNKS,
        closes: false,
        head: &["200 ok", "transfer-encoding: chunked"],
        body: "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    },
    Case {
        what: "what the application says of its own connection stays with it",
        request: "GET / HTTP/1.0\r\nhost: web\r\nconnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\nhost: web\r\n\r\n",
        answer: "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close, x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\n\r\nok",
        closes: true,
        head: &["http/1.0 200 ok", "connection: keep-alive", "!x-hop", "!timeout=5"],
        body: "okHTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    },
    Case {
        what: "an empty line between requests is passed over",
        request: "GET / HTTP/1.1\r\nhost: web\r\n\r\n\r\nGET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n",
        answer: "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        closes: false,
        head: &["200 ok", "content-length: 2", "!connection"],
        body: "okHTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
    },
];

#[tokio::test]
async fn answers_are_framed_for_who_reads_them() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    for case in CASES {
        println!("{}", case.what);
        let mut client = Wire::open(pair.caller.call(0)).await;
        let play = async {
            client.send(case.request).await;
            let head = client.head().await;
            (head, client.rest().await)
        };
        let app = async {
            let mut app = stage.next().await;
            loop {
                if app.head().await.is_empty() {
                    // Closed by the other side, or already by this one: the next connection is for the next request.
                    app = stage.next().await;
                    continue;
                }
                app.send(case.answer).await;
                if case.closes {
                    drop(app);
                    app = stage.next().await;
                }
            }
        };
        let (head, body) = tokio::select! {
            read = play => read,
            () = app => unreachable!(),
        };
        for part in case.head {
            match part.strip_prefix('!') {
                Some(absent) => assert!(!head.contains(absent), "{}: {absent} in {head}", case.what),
                None => assert!(head.contains(part), "{}: no {part} in {head}", case.what),
            }
        }
        assert_eq!(body, case.body, "{}", case.what);
    }
}

#[tokio::test]
async fn requests_are_framed_as_they_came() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    let chunks = "3\r\nabc\r\n2\r\nde\r\n0\r\nx-sum: 5\r\n\r\n";
    for (request, body, framed, passed_on) in [
        ("transfer-encoding: chunked\r\ntrailer: x-sum\r\n", chunks, "transfer-encoding: chunked", chunks),
        ("content-length: 5\r\n", "abcde", "content-length: 5", "abcde"),
        ("content-length: 0\r\n", "", "content-length: 0", ""),
        ("", "", "host: web", ""),
    ] {
        let mut client = Wire::open(pair.caller.call(0)).await;
        client.send(&format!("POST /x?y=1 HTTP/1.1\r\nhost: web\r\n{request}\r\n{body}")).await;
        let mut app = stage.next().await;
        let head = app.head().await;
        assert!(head.starts_with("post /x?y=1 http/1.1\r\n") && head.contains(framed), "{head}");
        assert!(!(head.contains("content-length") && head.contains("transfer-encoding")), "{head}");
        assert_eq!(app.exactly(passed_on.len()).await, passed_on);
        app.send("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert!(client.head().await.starts_with("http/1.1 204"));
    }
}

#[tokio::test]
async fn what_was_cut_short_never_looks_whole() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    for (head, end) in [
        ("content-length: 100\r\n", "the end of a length"),
        ("transfer-encoding: chunked\r\n", "the last chunk"),
        // By a reset: a regular close would be this answer's end.
        ("x-until: close\r\n", "the close"),
    ] {
        let body = if head.starts_with("transfer") { "5\r\nhello\r\n" } else { "hello" };
        let mut client = Wire::open(pair.caller.call(0)).await;
        client.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
        let mut app = stage.next().await;
        app.head().await;
        app.send(&format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}")).await;
        assert!(client.head().await.starts_with("http/1.1 200"));
        let chunked = !head.starts_with("content");
        let first = if chunked { "5\r\nhello\r\n" } else { "hello" };
        assert_eq!(client.exactly(first.len()).await, first);
        app.io.get_ref().set_zero_linger().unwrap();
        drop(app);
        assert_eq!(client.rest().await, "", "{end} is missing");
    }
    // The other way: the application must not take half a request for a whole one.
    for (head, body) in [("content-length: 100", "hello"), ("transfer-encoding: chunked", "5\r\nhello\r\n")] {
        let mut client = Wire::open(pair.caller.call(0)).await;
        client.send(&format!("POST / HTTP/1.1\r\nhost: web\r\n{head}\r\n\r\n{body}")).await;
        let mut app = stage.next().await;
        app.head().await;
        assert_eq!(app.exactly(body.len()).await, body);
        drop(client);
        assert_eq!(app.rest().await, "", "{head}");
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_reaches_the_client() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    for round in 0..20 {
        let mut client = Wire::open(pair.caller.call(0)).await;
        client.send("POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 100000000\r\n\r\nbeginning").await;
        let mut app = stage.next().await;
        app.head().await;
        app.exactly(9).await;
        app.send("HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 3\r\n\r\nbig").await;
        if round % 2 == 0 {
            // More is on its way when the application is gone, so that its kernel answers with a reset.
            client.send(&"x".repeat(50_000)).await;
            drop(app);
            let answer = client.head().await;
            assert!(answer.starts_with("http/1.1 413"), "{round}: {answer}");
            assert_eq!(client.exactly(3).await, "big");
        } else {
            // An application that goes on reading gets all of it.
            let answer = client.head().await;
            assert!(answer.starts_with("http/1.1 413"), "{round}: {answer}");
            assert_eq!(client.exactly(3).await, "big");
            client.send("more").await;
            assert_eq!(app.exactly(4).await, "more");
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_is_soon_gone_for_the_application() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    let mut client = Wire::open(pair.caller.call(0)).await;
    client.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
    let mut app = stage.next().await;
    app.head().await;
    drop(client);
    assert_eq!(app.rest().await, "");
}

#[tokio::test]
async fn a_client_that_ends_its_side_before_the_answer_has_given_up() {
    let pair = Pair::start(PORT).await;
    let mut stage = Stage::of(&pair).await;
    let mut client = Wire::open(pair.caller.call(0)).await;
    client.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n").await;
    let mut app = stage.next().await;
    app.head().await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.io).await.unwrap();
    assert_eq!((app.rest().await, client.rest().await), (String::new(), String::new()));
}
