//! memcached: text lines that look like the start of HTTP, and its binary protocol, on one port.

use isthmus_tests::{cluster::Cluster, wait::expect_eq};

use crate::{
    Interop,
    case::{Case, Grant, Server},
    software::{self, PYTHON},
};

pub(crate) const TEST: Interop = Interop { name: "memcached", needs: &["memcached", PYTHON], body: run };

const STEPS: &str = "text, pipeline, 1,000,000 bytes, meta commands, binary protocol, quit";

fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let case = Case::start(cluster, server()?)?;
    let (python, script) = (software::python(), software::script("memcached_client.py"));
    case.refuse_then_grant(&[&python, &script, "memcached"])?;
    case.no_stall("get nothing\\r\\n")?;
    for host in case.hosts() {
        expect_eq("steps", case.python("memcached_client.py", &[&host])?.trim(), STEPS)?;
    }
    case.meshed(6)
}

fn server() -> anyhow::Result<Server> {
    let script = format!("exec {} -l 0.0.0.0 -p 11211 -U 0 -u $(id -un)", software::path("memcached")?);
    let ready =
        format!("{} {} 127.0.0.1 11211 1 'version\\r\\n'", software::python(), software::script("first_byte.py"));
    Ok(Server { name: "memcached", script, ready, user: 0, port: 11211, hint: "memcached", grant: Grant::Tcp })
}
