use std::time::SystemTime;

use futures::StreamExt;
use isthmus_core::id::TrustDomain;
use isthmus_identity::{Authority, ClientCerts, Keypair, MeshTls, Svid, SvidCell, TrustStore};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::*;

/// Generous: the machine that runs this may be busy.
const DEADLINE: Duration = Duration::from_secs(60);
const SERVER: &str = "spiffe://a.test/ns/isthmus-system/sa/isthmus-hub";
const MEMBER: &str = "spiffe://a.test/ns/isthmus-system/sa/isthmus-controller";

struct Door {
    addr: SocketAddr,
    incoming: ReceiverStream<io::Result<Connection>>,
    /// Shows no certificate.
    stranger: Arc<ClientConfig>,
    member: Arc<ClientConfig>,
}

impl Door {
    async fn open(room: Room) -> Self {
        let domain = TrustDomain::new("a.test").unwrap();
        let authority = Authority::generate(domain, SystemTime::now(), Duration::from_hours(1)).unwrap();
        let roots = Arc::new(TrustStore::with(&[authority.bundle(1)]).unwrap());
        let tls = |id: Option<&str>| {
            let cell = SvidCell::new();
            if let Some(id) = id {
                let keypair = Keypair::generate().unwrap();
                let csr = keypair.csr().unwrap();
                let life = Duration::from_hours(1);
                let issued = authority.issue(&csr, &id.parse().unwrap(), SystemTime::now(), life).unwrap();
                cell.set(Svid::new(issued.chain, &keypair).unwrap());
            }
            MeshTls::new(Arc::clone(&roots), Arc::new(cell))
        };
        let expected: SpiffeId = SERVER.parse().unwrap();
        let client = |id| tls(id).client_config(&[b"h2"], expected.clone()).unwrap();
        let config = tls(Some(SERVER)).server_config(&[b"h2"], ClientCerts::Optional).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let incoming = listen(listener, config, room, CancellationToken::new());
        Self { addr, incoming, stranger: client(None), member: client(Some(MEMBER)) }
    }

    async fn call(&self, config: &Arc<ClientConfig>) -> tokio_rustls::client::TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let name = ServerName::try_from("hub.example").unwrap();
        TlsConnector::from(Arc::clone(config)).connect(name, stream).await.unwrap()
    }

    async fn next(&mut self) -> Connection {
        tokio::time::timeout(DEADLINE, self.incoming.next()).await.expect("nobody comes").unwrap().unwrap()
    }
}

#[tokio::test]
async fn strangers_can_not_take_the_place_of_those_who_have_a_certificate() {
    let mut door = Door::open(Room { all: 8, strangers: 1, each: 8, stay: DEADLINE }).await;
    let _first = door.call(&door.stranger).await;
    let inside = door.next().await;
    assert_eq!(inside.connect_info().identity, None);
    // One more is cut; a member comes in.
    let mut second = door.call(&door.stranger).await;
    let cut = tokio::time::timeout(DEADLINE, second.read(&mut [0])).await.expect("the second stays");
    assert!(!matches!(cut, Ok(1)), "{cut:?}");
    let _member = door.call(&door.member).await;
    assert_eq!(door.next().await.connect_info().identity, Some(MEMBER.parse().unwrap()));
    // There is room for another when the first has gone.
    drop(inside);
    let _third = door.call(&door.stranger).await;
    assert_eq!(door.next().await.connect_info().identity, None);
}

#[tokio::test]
async fn a_stranger_stays_for_so_long_and_no_longer() {
    let mut door = Door::open(Room { all: 8, strangers: 1, each: 8, stay: Duration::from_millis(200) }).await;
    let mut client = door.call(&door.stranger).await;
    let mut inside = door.next().await;
    let mut own = door.call(&door.member).await;
    let mut member = door.next().await;
    let over = tokio::time::timeout(DEADLINE, inside.read(&mut [0])).await.expect("it stays");
    assert_eq!(over.unwrap_err().kind(), io::ErrorKind::TimedOut);
    drop(inside);
    let gone = tokio::time::timeout(DEADLINE, client.read(&mut [0])).await.expect("it isn't cut");
    assert!(!matches!(gone, Ok(1)), "{gone:?}");
    // A member stays for as long as it likes.
    own.write_all(b"x").await.unwrap();
    let mut byte = [0];
    tokio::time::timeout(DEADLINE, member.read_exact(&mut byte)).await.expect("the member is cut").unwrap();
    assert_eq!(&byte, b"x");
}

#[tokio::test]
async fn one_identity_can_not_take_the_place_of_the_others() {
    let mut door = Door::open(Room { all: 8, strangers: 8, each: 1, stay: DEADLINE }).await;
    let _first = door.call(&door.member).await;
    let inside = door.next().await;
    let mut second = door.call(&door.member).await;
    let cut = tokio::time::timeout(DEADLINE, second.read(&mut [0])).await.expect("the second stays");
    assert!(!matches!(cut, Ok(1)), "{cut:?}");
    let _stranger = door.call(&door.stranger).await;
    assert_eq!(door.next().await.connect_info().identity, None);
    // There is room for another when the first has gone.
    drop(inside);
    let _third = door.call(&door.member).await;
    assert_eq!(door.next().await.connect_info().identity, Some(MEMBER.parse().unwrap()));
}
