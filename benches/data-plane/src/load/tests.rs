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
