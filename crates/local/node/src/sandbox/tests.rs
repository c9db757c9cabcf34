//! Real namespaces. Runs as root only: a test process has many threads, and can't enter a user namespace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::helper::spec::{ContainerSpec, ExecSpec, MountSpec, ProgramSpec};
use crate::ipam::Ipam;
use crate::router::RouterConfig;

fn helper() -> Option<Vec<OsString>> {
    let here = std::env::current_exe().ok()?;
    let helper = here.parent()?.parent()?.join("examples/pod-helper");
    (nix::unistd::Uid::effective().is_root() && helper.exists()).then(|| vec![helper.into()])
}

async fn router() -> Arc<Router> {
    let config = RouterConfig {
        pod_cidr: "10.42.0.0/16".parse().unwrap(),
        service_cidr: "10.43.0.0/16".parse().unwrap(),
        balancer_cidr: "100.64.0.0/24".parse().unwrap(),
        dns_ip: Ipv4Addr::new(10, 43, 0, 10),
    };
    Arc::new(Router::create("test", config).await.unwrap())
}

async fn pod(router: &Arc<Router>, last: u8) -> Sandbox {
    let ipam = Arc::new(Ipam::new(router.config().pod_cidr));
    let lease = std::iter::from_fn(|| ipam.take()).find(|lease| lease.address().octets()[3] == last).unwrap();
    Sandbox::create(Arc::clone(router), lease, format!("pod-{last}")).await.unwrap()
}

fn shell(root: &Path, script: &str) -> Launch<ContainerSpec> {
    let program = ProgramSpec { argv: ["sh", "-c", script].map(String::from).to_vec(), ..ProgramSpec::default() };
    Launch {
        helper: helper().unwrap(),
        spec: ContainerSpec { program, root: root.into(), ..ContainerSpec::default() },
        env: vec![("PATH".into(), std::env::var("PATH").unwrap())],
    }
}

async fn output(container: (Container, ExecPipes)) -> (i32, String) {
    let (mut container, pipes) = container;
    let mut text = String::new();
    pipes.stdout.unwrap().read_to_string(&mut text).await.unwrap();
    pipes.stderr.unwrap().read_to_string(&mut text).await.unwrap();
    let status = tokio::time::timeout(Duration::from_secs(10), container.wait()).await.unwrap().unwrap();
    (status.code().unwrap_or(-1), text)
}

async fn run(sandbox: &Sandbox, launch: Launch<ContainerSpec>) -> (i32, String) {
    output(sandbox.start(launch).await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_sees_its_pod_and_only_itself() {
    let Some(_) = helper() else { return };
    let (router, root) = (router().await, tempfile::tempdir().unwrap());
    let sandbox = pod(&router, 5).await;
    // Signals are as a program expects them: none ignored, none blocked (but those of the C library, 32 and 33).
    let script = "grep -E 'Sig(Blk|Ign)' /proc/self/status | grep -vcE '[08]0000000$'; hostname; cat /proc/net/fib_trie | grep -c 10.42.0.5; ls -d /proc/[0-9]* | wc -l; exit 7";
    let (code, text) = run(&sandbox, shell(root.path(), script)).await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(code, 7, "{text}");
    assert_eq!(lines[..2], ["0", "pod-5"], "{text}");
    assert!(lines[2].parse::<u32>().unwrap() > 0, "{text}");
    // The container's first process, the shell, and the shell's two commands.
    assert!(lines[3].parse::<u32>().unwrap() <= 4, "{text}");
    assert!(std::fs::read_dir(root.path()).unwrap().next().is_none(), "the host saw a mount");
}

#[tokio::test(flavor = "multi_thread")]
async fn mount_points_are_made_without_touching_the_host() {
    let Some(_) = helper() else { return };
    let (router, root, volume) = (router().await, tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(volume.path().join("key"), "value").unwrap();
    let sandbox = pod(&router, 5).await;
    let mut launch = shell(
        root.path(),
        "cat /isthmus-test/key /etc/isthmus-test/deep/key /var/run/secrets/isthmus/token/key /etc/isthmus-test.conf; \
         echo x > /isthmus-test/new; echo x > /etc/isthmus-test/deep/new; cat /etc/passwd | head -c 4",
    );
    let at = |source: PathBuf, target: &str, read_only| MountSpec { source, target: target.into(), read_only };
    launch.spec.mounts = vec![
        at(volume.path().into(), "/isthmus-test", false),
        at(volume.path().into(), "/etc/isthmus-test/deep", true),
        at(volume.path().into(), "/var/run/secrets/isthmus/token", true),
        at(volume.path().join("key"), "/etc/isthmus-test.conf", true),
        at(volume.path().into(), "/isthmus-test/inner", true),
    ];
    let (_, text) = run(&sandbox, launch).await;
    assert!(text.starts_with("valuevaluevaluevalueroot"), "{text}");
    assert!(text.contains("Read-only file system"), "{text}");
    assert!(volume.path().join("new").exists());
    for host in ["/isthmus-test", "/etc/isthmus-test", "/run/secrets/isthmus", "/etc/isthmus-test.conf"] {
        assert!(!Path::new(host).exists(), "{host} was made on the host");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_privileges_keeps_only_what_was_added() {
    let Some(_) = helper() else { return };
    let (router, root) = (router().await, tempfile::tempdir().unwrap());
    let sandbox = pod(&router, 5).await;
    let mut launch = shell(root.path(), "id -u; id -g; grep -E 'CapEff|NoNewPrivs' /proc/self/status");
    launch.spec.program.uid = Some(2102);
    launch.spec.program.gid = Some(2103);
    launch.spec.program.capabilities = Some(vec!["NET_ADMIN".into(), "NET_RAW".into()]);
    launch.spec.program.ambient = vec!["NET_ADMIN".into()];
    let (code, text) = run(&sandbox, launch).await;
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("2102\n2103\n"), "{text}");
    assert!(text.contains("CapEff:\t0000000000001000") && text.contains("NoNewPrivs:\t1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn root_of_a_container_has_lost_what_was_not_allowed() {
    let Some(_) = helper() else { return };
    let (router, root) = (router().await, tempfile::tempdir().unwrap());
    let sandbox = pod(&router, 5).await;
    let mut launch = shell(root.path(), "grep CapEff /proc/self/status; mount -t tmpfs none /mnt");
    launch.spec.program.capabilities = Some(vec!["NET_RAW".into()]);
    let (code, text) = run(&sandbox, launch).await;
    assert!(text.contains("CapEff:\t0000000000002000"), "{text}");
    assert_ne!(code, 0, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_reach_each_other_and_the_router() {
    let Some(_) = helper() else { return };
    let router = router().await;
    let (one, two) = (pod(&router, 5).await, pod(&router, 6).await);
    let listener = one.thread.run(|| std::net::TcpListener::bind("10.42.0.5:80")).await.unwrap().unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let from_pod = two.thread.run(|| std::net::TcpStream::connect("10.42.0.5:80").map(drop));
    from_pod.await.unwrap().unwrap();
    let (_, peer) = listener.accept().await.unwrap();
    assert_eq!(peer.ip(), Ipv4Addr::new(10, 42, 0, 6));
    router.dial("10.42.0.5:80".parse().unwrap()).await.unwrap();
    let (_, peer) = listener.accept().await.unwrap();
    assert_eq!(peer.ip(), router.address());
    let service = isthmus_netfilter::ServicePort {
        address: "10.43.7.7:8080".parse().unwrap(),
        protocol: isthmus_netfilter::Protocol::Tcp,
        endpoints: vec!["10.42.0.5:80".parse().unwrap()],
    };
    router.set_services(vec![service]).await.unwrap();
    for client in [&one, &two] {
        let call = || std::net::TcpStream::connect("10.43.7.7:8080").map(drop);
        client.thread.run(call).await.unwrap().unwrap();
    }
    router.dial("10.43.7.7:8080".parse().unwrap()).await.unwrap();
    let refused = two.thread.run(|| std::net::TcpStream::connect("10.43.7.7:8081")).await.unwrap();
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    let refused = router.dial("10.43.7.8:80".parse().unwrap()).await;
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_joins_the_container_and_signals_reach_it() {
    let Some(_) = helper() else { return };
    let (router, root, volume) = (router().await, tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(volume.path().join("key"), "value").unwrap();
    let sandbox = pod(&router, 5).await;
    let mut launch = shell(root.path(), "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done");
    launch.spec.mounts =
        vec![MountSpec { source: volume.path().into(), target: "/isthmus-test".into(), read_only: true }];
    let env = launch.env.clone();
    let (mut container, mut pipes) = sandbox.start(launch).await.unwrap();
    let mut up = [0; 3];
    pipes.stdout.as_mut().unwrap().read_exact(&mut up).await.unwrap();
    let program = ProgramSpec {
        argv: ["sh", "-c", "cat; cat /isthmus-test/key; exit 4"].map(String::from).to_vec(),
        ..Default::default()
    };
    let spec = ExecSpec { program, container_pid: container.pid().as_raw(), terminal: None };
    let (process, mut exec) = sandbox.exec(Launch { helper: helper().unwrap(), spec, env }, true).await.unwrap();
    let mut stdin = exec.stdin.take().unwrap();
    stdin.write_all(b"said ").await.unwrap();
    drop(stdin);
    assert_eq!(output((process, exec)).await, (4, "said value".to_owned()));
    container.signal(Signal::SIGTERM);
    let status = tokio::time::timeout(Duration::from_secs(10), container.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(9));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_is_named() {
    let Some(_) = helper() else { return };
    let (router, root) = (router().await, tempfile::tempdir().unwrap());
    let sandbox = pod(&router, 5).await;
    let mut launch = shell(root.path(), "");
    launch.spec.program.argv = vec!["no-such-program".into()];
    let (code, text) = run(&sandbox, launch).await;
    assert_eq!(code, 127);
    assert!(text.contains("no-such-program") && text.contains("PATH"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_in_a_directory_of_root_can_be_run_by_others() {
    let Some(_) = helper() else { return };
    let (router, root, private) = (router().await, tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let echo = private.path().join("echo");
    std::fs::copy("/bin/echo", &echo).unwrap();
    let sandbox = pod(&router, 5).await;
    let mut launch = shell(root.path(), "");
    launch.spec.program.argv = vec![echo.to_str().unwrap().into(), "hello".into()];
    launch.spec.program.uid = Some(2102);
    assert_eq!(run(&sandbox, launch).await, (0, "hello\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_a_handler_ends_by_its_signal() {
    let Some(_) = helper() else { return };
    let (router, root) = (router().await, tempfile::tempdir().unwrap());
    let sandbox = pod(&router, 5).await;
    let mut launch = shell(root.path(), "");
    launch.spec.program.argv = ["sleep", "600"].map(String::from).to_vec();
    let (mut container, _pipes) = sandbox.start(launch).await.unwrap();
    while !container.listens() {
        tokio::task::yield_now().await;
    }
    container.signal(Signal::SIGTERM);
    let status = tokio::time::timeout(Duration::from_secs(10), container.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(128 + 15));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_parent_thread_ends_the_container() {
    let Some(_) = helper() else { return };
    let (router, root) = (router().await, tempfile::tempdir().unwrap());
    let sandbox = pod(&router, 5).await;
    let (container, mut pipes) = sandbox.start(shell(root.path(), "(sleep 600 &) ; echo up; sleep 600")).await.unwrap();
    let mut up = [0; 3];
    pipes.stdout.as_mut().unwrap().read_exact(&mut up).await.unwrap();
    let Container { mut child, _parent, .. } = container;
    drop(_parent);
    let status = tokio::time::timeout(Duration::from_secs(10), child.wait()).await.unwrap().unwrap();
    assert!(!status.success());
    // The pipe closes when the last process that holds it, the background one, has gone too.
    let mut rest = String::new();
    let closed = pipes.stdout.as_mut().unwrap().read_to_string(&mut rest);
    tokio::time::timeout(Duration::from_secs(10), closed).await.unwrap().unwrap();
}
