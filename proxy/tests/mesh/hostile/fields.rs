//! Fields that claim what isn't so, or would take away what others rely on.

use super::rig::{Door, Rig, status};
use crate::support::mesh::id;

async fn arrived(
    rig: &Rig,
    recorder: &crate::support::recorder::Recorder,
    door: Door,
    message: &str,
) -> crate::support::recorder::Seen {
    let answer = rig.send(door, message.as_bytes(), false).await;
    let mut seen = rig.mark(door, recorder).await;
    assert_eq!((seen.len(), status(&answer)), (1, "200"), "{door:?} {message:?}: {answer}");
    seen.remove(0)
}

#[tokio::test]
async fn nobody_but_the_callees_proxy_says_who_calls() {
    let rig = Rig::open().await;
    let recorder = rig.recorder().await;
    for door in Door::DIRECT {
        let spoofed = "POST / HTTP/1.1\r\nhost: web\r\nconnection: close, X-Isthmus-Client-Id\r\n\
            X-ISTHMUS-CLIENT-ID: spiffe://evil/a\r\nx_isthmus_client_id: spiffe://evil/b\r\nx-isthmus_client-id: spiffe://evil/c\r\n\
            l5d-client-id: evil\r\nx-forwarded-client-cert: evil\r\nX_Forwarded_Client_Cert: evil\r\n\
            te: trailers\r\ntransfer-encoding: chunked\r\ntrailer: x-isthmus-client-id, x-sum, x_isthmus_client_id\r\n\r\n\
            2\r\nhi\r\n0\r\nx-isthmus-client-id: spiffe://evil/d\r\nx_isthmus_client_id: spiffe://evil/e\r\n\
            content-length: 9\r\nhost: evil\r\nx-sum: 1\r\n\r\n";
        let seen = arrived(&rig, &recorder, door, spoofed).await;
        assert!(!format!("{seen:?}").contains("evil"), "{door:?}: {seen:?}");
        // The outbound side's request arrives by mesh TLS of the caller.
        let told = (door != Door::Plaintext).then(|| id("caller").to_string());
        assert_eq!(seen.field("x-isthmus-client-id"), told.as_deref(), "{door:?}");
        assert_eq!((&*seen.body, seen.trailers), ("hi", vec![("x-sum".into(), "1".into())]), "{door:?}");
    }
}

#[tokio::test]
async fn connection_takes_away_what_is_its_own_and_no_more() {
    let rig = Rig::open().await;
    let recorder = rig.recorder().await;
    for door in Door::DIRECT {
        let message = "POST / HTTP/1.1\r\nhost: web\r\ncontent-length: 2\r\nauthorization: secret\r\ncookie: a=b\r\nx-mine: 1\r\n\
            keep-alive: timeout=5\r\nproxy-connection: keep-alive\r\nte: gzip;q=1, trailers\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\
            connection: close, host, Content-Length, authorization, cookie, x-mine, te, upgrade, http2-settings\r\n\r\nhi";
        let seen = arrived(&rig, &recorder, door, message).await;
        let mut names: Vec<_> = seen.fields.iter().map(|(n, _)| &**n).filter(|n| *n != "x-isthmus-client-id").collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "content-length", "cookie", "host", "te"], "{door:?}");
        assert_eq!((seen.field("te"), &*seen.body), (Some("trailers"), "hi"), "{door:?}");
    }
}

#[tokio::test]
async fn http_cannot_be_left_for_http() {
    let rig = Rig::open().await;
    let recorder = rig.recorder().await;
    for door in Door::DIRECT {
        for upgrade in ["h2c", "H2C, websocket", "websocket, h2c", "HTTP/2.0", "websocket\r\nupgrade: h2c"] {
            let message = format!(
                "GET / HTTP/1.1\r\nhost: web\r\nconnection: upgrade, http2-settings\r\nconnection: close\r\nupgrade: {upgrade}\r\nhttp2-settings: AAMAAABk\r\n\r\n"
            );
            let seen = arrived(&rig, &recorder, door, &message).await;
            assert_eq!((seen.field("upgrade"), seen.field("http2-settings")), (None, None), "{door:?} {upgrade}");
        }
    }
}
