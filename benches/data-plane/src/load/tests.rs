use super::*;

#[test]
fn ids_are_hexadecimal_and_differ() {
    assert_eq!(&id(0), b"0000000000000000");
    assert_eq!(&id(0x0123_4567_89ab_cdef), b"0123456789abcdef");
    assert_ne!(id(1 << 40), id(1));
}

/// Takes a while for its n-th exchange, and counts.
struct Slow {
    count: std::rc::Rc<std::cell::Cell<u64>>,
    stall_at: u64,
    stall: Duration,
}

impl Client for Slow {
    async fn connect(_: SocketAddr, _: usize) -> anyhow::Result<Vec<Self>> {
        Ok(Vec::new())
    }

    async fn exchange(&mut self, _: &[u8; crate::echo::ID]) -> anyhow::Result<()> {
        self.count.set(self.count.get() + 1);
        if self.count.get() == self.stall_at {
            tokio::time::sleep(self.stall).await;
        }
        Ok(())
    }
}

fn on_one_thread<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(tokio::task::LocalSet::new().run_until(future))
}

#[test]
fn a_stall_shows_in_every_request_that_it_delays() {
    let count = std::rc::Rc::default();
    let stall = Duration::from_millis(200);
    let mut clients = [Slow { count: std::rc::Rc::clone(&count), stall_at: 10, stall }];
    let latencies = on_one_thread(open_loop(&mut clients, 1000, Duration::from_millis(400))).unwrap();
    assert_eq!(count.get(), 400);
    // A closed loop would have seen one request of 200 ms. Here 200 were due meanwhile, the middle one 100 ms before the end.
    let [p70] = latencies.quantiles_us([0.7]);
    assert!(p70 > 60_000.0, "{p70}");
}

#[test]
fn a_closed_loop_counts_what_was_answered() {
    let count = std::rc::Rc::default();
    let new = || Slow { count: std::rc::Rc::clone(&count), stall_at: 3, stall: Duration::from_millis(20) };
    let mut clients = [new(), new()];
    // The exchanges never wait, so the first client runs for the whole time.
    let (answered, took) = on_one_thread(closed_loop(&mut clients, Duration::from_millis(50))).unwrap();
    assert_eq!(answered, count.get());
    assert!(answered > 3 && took >= Duration::from_millis(50));
}

/// Serves on loopback as the application does.
async fn served<F>(serve: fn(TcpStream) -> F) -> SocketAddr
where
    F: Future<Output = anyhow::Result<()>> + 'static,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    crate::echo::spawn(listener, serve);
    at
}

async fn one<C: Client>(to: SocketAddr) -> C {
    C::connect(to, 1).await.unwrap().pop().unwrap()
}

#[test]
fn every_client_takes_the_applications_answers() {
    on_one_thread(async {
        let http1 = served(crate::echo::http1::serve).await;
        let http2 = served(crate::echo::http2::serve).await;
        let tcp = served(crate::echo::tcp::serve).await;
        let mut clients = (one::<Http1>(http1).await, one::<Http2>(http2).await, one::<Grpc>(http2).await);
        let mut raw = one::<TcpEcho>(tcp).await;
        for number in 0..20 {
            clients.0.exchange(&id(number)).await.unwrap();
            clients.1.exchange(&id(number)).await.unwrap();
            clients.2.exchange(&id(number)).await.unwrap();
            raw.exchange(&id(number)).await.unwrap();
        }
        let mut stream = dial(tcp).await.unwrap();
        for down in [true, false, true] {
            transfer(&mut stream, down, &crate::echo::pattern(), 1_000_000).await.unwrap();
        }
    });
}

/// Answers every request with what belongs to another, or with an error.
async fn wrong(mut stream: TcpStream) -> anyhow::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut buffer = [0; 1024];
    let body = crate::echo::body(&id(999));
    for head in ["HTTP/1.1 200 OK\r\ncontent-length: 128\r\n\r\n", "HTTP/1.1 503 No\r\ncontent-length: 128\r\n\r\n"] {
        let read = stream.read(&mut buffer).await?;
        anyhow::ensure!(read > 0, "closed");
        stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    }
    Ok(())
}

#[test]
fn a_wrong_answer_fails() {
    on_one_thread(async {
        let at = served(wrong).await;
        let mut client = one::<Http1>(at).await;
        let error = client.exchange(&id(1)).await.unwrap_err().to_string();
        assert!(error.contains("not the answer to this request"), "{error}");
        let error = client.exchange(&id(999)).await.unwrap_err().to_string();
        assert!(error.contains("503"), "{error}");
        let error = client.exchange(&id(999)).await.unwrap_err().to_string();
        assert!(error.contains("closed"), "{error}");
        // A loop ends with the first failure.
        let mut clients = [one::<Http1>(at).await];
        assert!(closed_loop(&mut clients, Duration::from_secs(20)).await.is_err());
    });
}
