//! NATS: the server speaks first, and pings.

use isthmus_tests::{cluster::Cluster, wait::expect_eq};

use crate::{
    Interop,
    case::{Case, Grant, Server},
    software::{self, PYTHON},
};

pub(crate) const TEST: Interop = Interop { name: "nats", needs: &["nats-server", PYTHON], body: run };

const STEPS: &str =
    "publish and subscribe, queue group, request and reply, no responders, 1 MB message, flush and drain";

fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let case = Case::start(cluster, server()?)?;
    let (python, script) = (software::python(), software::script("nats_client.py"));
    case.refuse_then_grant(&[&python, &script, "nats"])?;
    case.no_stall("")?;
    for host in case.hosts() {
        expect_eq("steps", case.python("nats_client.py", &[&host])?.trim(), STEPS)?;
    }
    case.meshed(6)
}

fn server() -> anyhow::Result<Server> {
    let script = format!("exec {} --addr 0.0.0.0 --port 4222", software::path("nats-server")?);
    let ready = format!("{} {} 127.0.0.1 4222 1 ''", software::python(), software::script("first_byte.py"));
    Ok(Server { name: "nats", script, ready, user: 0, port: 4222, hint: "nats", grant: Grant::Tcp })
}
