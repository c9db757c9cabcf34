use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use http::{HeaderValue, Response};

use super::*;

/// A connection that takes as many bytes at a time as the script says, and then none.
#[derive(Clone, Default)]
struct Narrow(Rc<RefCell<(VecDeque<usize>, Vec<u8>)>>);

impl Narrow {
    fn taking(widths: &[usize]) -> Self {
        let narrow = Self::default();
        narrow.widen(widths);
        narrow
    }

    fn widen(&self, widths: &[usize]) {
        self.0.borrow_mut().0.extend(widths);
    }

    fn written(&self) -> String {
        String::from_utf8(self.0.borrow().1.clone()).unwrap()
    }
}

impl Write for Narrow {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let (widths, written) = &mut *self.0.borrow_mut();
        let Some(width) = widths.pop_front() else { return Poll::Pending };
        let n = width.min(buf.len());
        written.extend_from_slice(&buf[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Connection {
    io: InterimIo<Narrow>,
    narrow: Narrow,
    interim: Interim,
}

impl Connection {
    fn new(widths: &[usize]) -> Self {
        let (narrow, interim) = (Narrow::taking(widths), Interim::default());
        Self { io: InterimIo::new(narrow.clone(), interim.clone()), narrow, interim }
    }

    fn hint(&self) {
        self.interim.push(StatusCode::EARLY_HINTS, &HeaderMap::new());
    }

    fn flush(&mut self) -> bool {
        Pin::new(&mut self.io).poll_flush(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Writes as hyper does: until all is taken, or the connection takes no more; what is left.
    fn write<'a>(&mut self, mut bytes: &'a str) -> &'a str {
        let cx = &mut Context::from_waker(Waker::noop());
        while !bytes.is_empty() {
            match Pin::new(&mut self.io).poll_write(cx, bytes.as_bytes()) {
                Poll::Ready(written) => bytes = &bytes[written.unwrap()..],
                Poll::Pending => break,
            }
        }
        bytes
    }
}

const HINT: &str = "HTTP/1.1 103 Early Hints\r\n\r\n";
const ALL: usize = usize::MAX;

#[test]
fn a_hint_goes_out_with_the_next_flush() {
    let mut connection = Connection::new(&[ALL]);
    connection.hint();
    assert!(connection.flush());
    assert_eq!(connection.narrow.written(), HINT);
}

#[test]
fn a_hint_comes_before_the_final_answer_however_little_is_taken_at_a_time() {
    let mut connection = Connection::new(&[]);
    assert!(connection.flush());
    connection.hint();
    connection.interim.settle();
    let mut rest = "HTTP/1.1 200 OK";
    for _ in 0..100 {
        connection.narrow.widen(&[1]);
        rest = connection.write(rest);
    }
    assert_eq!(connection.narrow.written(), format!("{HINT}HTTP/1.1 200 OK"));
}

#[test]
fn a_hint_never_comes_inside_another_answer() {
    let mut connection = Connection::new(&[ALL, 3]);
    assert!(connection.flush());
    // Pipelined: the answer before is still being written when the next request's hint comes.
    let rest = connection.write("first").to_owned() + connection.write("second");
    connection.hint();
    let rest = connection.write(&rest).to_owned();
    assert_eq!((connection.narrow.written().as_str(), rest.as_str()), ("firstsec", "ond"));
    // The final answer comes before hyper could flush: it is too late for the hint.
    connection.interim.settle();
    connection.narrow.widen(&[ALL; 4]);
    assert_eq!(connection.write("ond"), "");
    assert_eq!(connection.write("third"), "");
    assert!(connection.flush());
    assert_eq!(connection.narrow.written(), "firstsecondthird");
}

#[test]
fn a_hint_waits_until_an_answer_before_it_is_written() {
    let mut connection = Connection::new(&[3]);
    assert!(connection.flush());
    assert_eq!(connection.write("first"), "st");
    connection.hint();
    connection.narrow.widen(&[ALL; 2]);
    assert_eq!(connection.write("st"), "");
    assert!(connection.flush());
    assert_eq!(connection.narrow.written(), format!("first{HINT}"));
}

#[test]
fn hints_beyond_the_limit_are_left_out() {
    let connection = Connection::new(&[]);
    let mut headers = HeaderMap::new();
    headers.insert("link", HeaderValue::from_str(&"x".repeat(HEAD_BYTES / 2)).unwrap());
    for _ in 0..10 {
        connection.interim.push(StatusCode::EARLY_HINTS, &headers);
    }
    let held = connection.interim.queue().bytes.len();
    assert!((HEAD_BYTES / 2..=HEAD_BYTES).contains(&held), "{held}");
}

#[test]
fn what_belongs_to_one_hop_or_to_a_final_answer_is_not_passed_on() {
    let answer = Response::builder()
        .header("link", "</a.css>; rel=preload")
        .header("connection", "x-hop")
        .header("x-hop", "1")
        .header("content-length", "5")
        .header("transfer-encoding", "chunked")
        .body(())
        .unwrap();
    let head = encode(StatusCode::EARLY_HINTS, answer.headers());
    assert_eq!(&head[..], b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n");
}
