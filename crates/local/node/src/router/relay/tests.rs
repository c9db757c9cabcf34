use tokio::io::duplex;

use super::*;

fn delay(delay: u16, jitter: u16) -> Delay {
    Delay { range: "100.64.1.0/24".parse().unwrap(), port: Some(80), delay, jitter }
}

#[test]
fn jitter_is_around_the_delay() {
    let all: Vec<_> = (0..41).map(|random| drawn(delay(50, 20), random).as_millis()).collect();
    assert_eq!((all.first(), all.last(), all.len()), (Some(&30), Some(&70), 41));
    assert_eq!(drawn(delay(50, 0), u64::MAX).as_millis(), 50);
    assert_eq!(drawn(delay(u16::MAX, u16::MAX), u64::MAX), Duration::from_millis(u64::MAX % 131_071));
}

#[test]
fn only_what_a_delay_names_is_late() {
    let delays = Delays::default();
    let late_to = |target: &str| late(&delays, target.parse().unwrap()).as_millis();
    assert_eq!(late_to("100.64.1.10:80"), 0);
    *delays.write() = vec![delay(50, 0)];
    assert_eq!(["100.64.1.10:80", "100.64.1.10:81", "100.64.2.10:80"].map(late_to), [50, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn pieces_and_the_end_come_late_and_in_order() {
    let (mut client, near) = duplex(1024);
    let (far, mut server) = duplex(1024);
    let way = tokio::spawn(async move {
        let lateness = parking_lot::Mutex::new([70, 30, 50].map(Duration::from_millis).into_iter().cycle());
        one_way(near, far, || lateness.lock().next().unwrap()).await
    });
    let begun = Instant::now();
    client.write_all(b"one").await.unwrap();
    let mut heard = [0; 3];
    // The second is drawn to come before the first: it doesn't.
    tokio::time::sleep(Duration::from_millis(10)).await;
    client.write_all(b"two").await.unwrap();
    client.shutdown().await.unwrap();
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!((heard, begun.elapsed().as_millis()), (*b"one", 70));
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!((heard, begun.elapsed().as_millis()), (*b"two", 70));
    assert_eq!(server.read(&mut heard).await.unwrap(), 0);
    assert!(begun.elapsed() >= Duration::from_millis(60), "{:?}", begun.elapsed());
    drop(server);
    way.await.unwrap().unwrap();
}
