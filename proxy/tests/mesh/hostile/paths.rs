//! Paths that would slip past a `pathRegex`.

use isthmus_core::inbound::{HttpScope, InboundPolicy, PolicyMode, PortSet};

use super::rig::{Door, Rig, VIP, status};
use crate::support::mesh::{backend, granting, id, path, service, split};

async fn get(rig: &Rig, door: Door, target: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n");
    rig.send(door, request.as_bytes(), false).await
}

/// Grants of the callee: everything below `/public`, users by one segment, and style sheets by their ending.
fn grants() -> InboundPolicy {
    let scope = HttpScope::Only(vec![path("/public"), path("/users/[^/]+$"), path("/[^/]+\\.css$"), path("/mark$")]);
    granting(&[&id("caller")], PortSet::All, scope)
}

#[tokio::test]
async fn what_is_granted_is_what_arrives() {
    let rig = Rig::start(grants(), |_| {}).await;
    let recorder = rig.recorder().await;
    for door in [Door::Mesh, Door::Outbound] {
        for (target, arrives) in [
            ("/public/a", Some("/public/a")),
            ("/%70ublic/%61", Some("/public/a")),
            ("/public/caf%c3%a9?q=%61", Some("/public/caf%C3%A9?q=%61")),
            ("http://web/public", Some("/public")),
            ("http://other/public/x", Some("/public/x")),
            ("/public/x#/../../admin", Some("/public/x")),
            ("/public/a%2Fb;v=1//c", Some("/public/a%2Fb;v=1//c")),
            ("/users/7", Some("/users/7")),
            ("/site.css", Some("/site.css")),
            ("/admin", None),
            ("/%61dmin", None),
            ("//public", None),
            ("http://web/admin", None),
            ("http://web", None),
            ("/PUBLIC", None),
            // Allowed as written, not as a lenient application reads them.
            ("/users/7%2Fdelete", None),
            ("/users/7%252fdelete", None),
            ("/users/7%5cdelete", None),
            ("/users/7;x/delete", None),
            ("/admin;x.css", None),
            ("/admin%3bx.css", None),
            ("/admin%3fx.css", None),
        ] {
            let answer = get(&rig, door, target).await;
            let seen = rig.mark(door, &recorder).await;
            let lines: Vec<_> = seen.iter().map(|s| s.line.clone()).collect();
            match arrives {
                Some(path) => assert_eq!(lines, [format!("GET {path} HTTP/1.1")], "{door:?} {target}: {answer}"),
                None => assert_eq!((lines.len(), status(&answer)), (0, "403"), "{door:?} {target}: {answer}"),
            }
        }
    }
}

#[tokio::test]
async fn ambiguous_paths_are_refused_wherever_they_come_in() {
    let rig = Rig::open().await;
    let recorder = rig.recorder().await;
    for door in Door::ALL {
        for path in [
            "/public/../admin",
            "/public/./admin",
            "/..",
            "/public/%2e%2e/admin",
            "/public/%2E./admin",
            "/public/%252e%252e/admin",
            "/public/%25252e%25252e/admin",
            "/public%2f..%2fadmin",
            "/public/..;/admin",
            "/public/..%3b/admin",
            "/public\\..\\admin",
            "/public\\admin",
            "/public/..%5cadmin",
            "/public/%00",
            "/public/%",
            "/public/%6",
            "/public/%%36%31",
        ] {
            let target = if door == Door::Explicit { format!("http://web{path}") } else { path.to_owned() };
            let answer = get(&rig, door, &target).await;
            assert_eq!(status(&answer), "400", "{door:?} {path}: {answer}");
            assert!(rig.mark(door, &recorder).await.is_empty(), "{door:?} {path}");
        }
    }
}

#[tokio::test]
async fn a_split_matches_what_is_forwarded() {
    let rig = Rig::open().await;
    let recorder = rig.recorder().await;
    // What matches goes to the callee; the rest goes to the root, which has no endpoints.
    let canary = split(
        Some(vec![path("/canary/[a-z]+$")]),
        vec![(backend("v2", 80, &[rig.callee.endpoint(super::rig::PORT)]), 1)],
    );
    rig.script.set_destination(VIP.0, VIP.1, service(&[], Some(canary)));
    crate::support::eventually("the split is there", async || status(&get(&rig, Door::Outbound, "/x").await) == "503")
        .await;
    recorder.take();
    for (target, arrives) in [
        ("/canary/ab", Some("/canary/ab")),
        ("/c%61nary/%61b", Some("/canary/ab")),
        ("http://web/canary/ab", Some("/canary/ab")),
        ("/canary/a%2fb", None),
        ("/canary/ab/", None),
    ] {
        let answer = get(&rig, Door::Outbound, target).await;
        let lines: Vec<_> = recorder.take().iter().map(|s| s.line.clone()).collect();
        assert_eq!(
            lines,
            arrives.iter().map(|p| format!("GET {p} HTTP/1.1")).collect::<Vec<_>>(),
            "{target}: {answer}"
        );
    }
}

#[tokio::test]
async fn what_is_not_http_reaches_no_application_that_grants_http_alone() {
    let rig = Rig::start(grants(), |_| {}).await;
    let recorder = rig.recorder().await;
    for door in [Door::Outbound, Door::Plaintext] {
        for words in [
            "GET /public\r\n",
            "GET /public HTTP/0.9\r\n\r\n",
            "get /public http/1.1\r\n\r\n",
            "\r\n\r\nGET / HTTP/3\r\n\r\n",
        ] {
            let answer = rig.send(door, words.as_bytes(), false).await;
            assert_eq!(answer, "", "{door:?} {words:?}");
            assert_eq!(recorder.take(), [], "{door:?} {words:?}");
        }
    }
    assert_eq!(status(&rig.send(Door::Mesh, b"GET /public\r\n\r\n", false).await), "400");
    rig.script.set_policy("callee", InboundPolicy { mode: PolicyMode::Permissive, ..InboundPolicy::default() });
}
