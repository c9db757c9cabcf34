use std::time::Duration;

use futures::future::join;

use super::*;

const LIMIT: Duration = Duration::from_secs(10);

type Io = tokio::io::DuplexStream;
type Half<T> = tokio::io::ReadHalf<T>;

struct Peer {
    input: FramedRead<Half<Io>, Codec>,
    output: FramedWrite<tokio::io::WriteHalf<Io>, Codec>,
}

fn pair() -> (Connection, Peer) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let (input, output) = tokio::io::split(ours);
    let connection = Connection::start(input, output).unwrap();
    let (input, output) = tokio::io::split(theirs);
    let codec = || Codec::new().unwrap();
    (connection, Peer { input: FramedRead::new(input, codec()), output: FramedWrite::new(output, codec()) })
}

impl Peer {
    async fn open(&mut self, id: u32) {
        self.output.send(Frame::SynStream { id, headers: Headers::new(), fin: false }).await.unwrap();
    }

    async fn next(&mut self) -> Frame {
        tokio::time::timeout(LIMIT, self.input.next()).await.unwrap().unwrap().unwrap()
    }
}

fn data(id: u32, data: &'static [u8], fin: bool) -> Frame {
    Frame::Data { id, data: Bytes::from_static(data), fin }
}

#[tokio::test]
async fn a_stream_is_answered_before_its_bytes_flow() {
    let (mut connection, mut peer) = pair();
    peer.open(1).await;
    let mut stream = connection.accept().await.unwrap();
    assert!(stream.writer.send(Bytes::from_static(b"out")).await);
    stream.writer.finish().await;
    assert!(matches!(peer.next().await, Frame::SynReply { id: 1, .. }));
    assert_eq!(peer.next().await, data(1, b"out", false));
    assert_eq!(peer.next().await, data(1, b"", true));
    peer.output.send(data(1, b"in", false)).await.unwrap();
    peer.output.send(data(1, b"", true)).await.unwrap();
    assert_eq!(stream.reader.recv().await.unwrap(), "in");
    assert!(stream.reader.recv().await.is_none());
}

#[tokio::test]
async fn pings_come_back_and_resets_arrive() {
    let (mut connection, mut peer) = pair();
    peer.output.send(Frame::Ping { id: 7 }).await.unwrap();
    assert_eq!(peer.next().await, Frame::Ping { id: 7 });
    peer.open(1).await;
    let mut stream = connection.accept().await.unwrap();
    peer.output.send(Frame::RstStream { id: 1, status: 5 }).await.unwrap();
    tokio::time::timeout(LIMIT, stream.reset.cancelled()).await.unwrap();
    assert!(stream.reader.recv().await.is_none());
}

#[tokio::test]
async fn numbers_must_grow_and_be_odd_and_streams_are_bounded() {
    let (mut connection, mut peer) = pair();
    let count = u32::try_from(MAX_STREAMS).unwrap();
    let mut kept = Vec::new();
    for n in 0..count {
        peer.open(2 * n + 1).await;
        kept.push(connection.accept().await.unwrap());
        assert!(matches!(peer.next().await, Frame::SynReply { .. }));
    }
    peer.open(2 * count + 1).await;
    assert_eq!(peer.next().await, Frame::RstStream { id: 2 * count + 1, status: REFUSED_STREAM });
    for id in [1, 5000] {
        peer.open(id).await;
        assert_eq!(peer.next().await, Frame::RstStream { id, status: PROTOCOL_ERROR });
    }
    kept.clear();
    peer.open(2 * count + 1).await;
    assert!(connection.accept().await.is_some());
}

#[tokio::test]
async fn a_peer_that_speaks_something_else_is_told_so_and_cut() {
    let (mut connection, mut peer) = pair();
    tokio::io::AsyncWriteExt::write_all(peer.output.get_mut(), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let (closed, frame) = join(connection.accept(), peer.next()).await;
    assert!(closed.is_none());
    assert_eq!(frame, Frame::GoAway { last: 0, status: PROTOCOL_ERROR });
    assert!(tokio::time::timeout(LIMIT, peer.input.next()).await.unwrap().is_none());
}
