use std::{future::poll_fn, io::ErrorKind, net::TcpStream as Blocking};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

const ANSWER: &[u8] = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n";

/// A connection that its server has answered on and reset, of which its reader hasn't been told yet.
async fn reset_after_answer() -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (ours, theirs) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let (mut ours, server) = (ours.unwrap(), theirs.unwrap().0);
    let mut nothing = [0];
    poll_fn(|cx| {
        let mut buf = ReadBuf::new(&mut nothing);
        assert!(Pin::new(&mut ours).poll_read(cx, &mut buf).is_pending());
        Poll::Ready(())
    })
    .await;
    let mut server: Blocking = server.into_std().unwrap();
    std::io::Write::write_all(&mut server, ANSWER).unwrap();
    socket2::SockRef::from(&server).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(server);
    ours
}

#[tokio::test]
async fn an_answer_is_heard_though_writing_has_failed() {
    // What it is about: the writer hears of the reset before the reader has the answer.
    let error = reset_after_answer().await.write_all(b"more").await.unwrap_err();
    assert!(is_gone(&error), "{error}");

    let (mut reader, mut writer) = tokio::io::split(LastWords::of(reset_after_answer().await));
    let mut heard = Vec::new();
    let (read, wrote) = tokio::join!(reader.read_to_end(&mut heard), async {
        writer.write_all(b"more").await.map_err(|error| error.kind())
    });
    assert_eq!(heard, ANSWER);
    assert!(is_gone(&read.unwrap_err()), "a reset is no regular end");
    assert!(matches!(wrote, Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)));
}

#[tokio::test]
async fn a_writer_that_nobody_reads_for_fails_all_the_same() {
    let mut connection = LastWords::of(reset_after_answer().await);
    let begun = tokio::time::Instant::now();
    let error = connection.write_all(b"more").await.unwrap_err();
    assert!(is_gone(&error) && begun.elapsed() >= READ_UP_TIME, "{error}");
}

#[tokio::test]
async fn nothing_else_is_changed() {
    let (ours, mut theirs) = tokio::io::duplex(64);
    let mut ours = LastWords::of(ours);
    ours.write_all(b"ask").await.unwrap();
    ours.flush().await.unwrap();
    let mut asked = [0; 3];
    theirs.read_exact(&mut asked).await.unwrap();
    theirs.write_all(b"answer").await.unwrap();
    drop(theirs);
    let mut heard = String::new();
    ours.read_to_string(&mut heard).await.unwrap();
    assert_eq!((&asked, &*heard), (b"ask", "answer"));
}
