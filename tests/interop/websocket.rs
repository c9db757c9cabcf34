//! WebSocket by Python's `websockets`, which checks every frame.

use isthmus_tests::{cluster::Cluster, wait::expect_eq};

use crate::{
    Interop,
    case::{Case, Grant, Server},
    software::{self, PYTHON},
};

pub(crate) const TEST: Interop = Interop { name: "websocket", needs: &[PYTHON], body: run };

const STEPS: &str = "text, binary, fragments, 1 MB message, ping and pong, both ways at once, subprotocol, refused handshake, close codes";

fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let case = Case::start(cluster, server())?;
    let (python, script) = (software::python(), software::script("websocket_client.py"));
    case.refuse_then_grant(&[&python, &script, "websocket"])?;
    case.no_stall("GET /health HTTP/1.1\\r\\nHost: websocket\\r\\n\\r\\n")?;
    for host in case.hosts() {
        expect_eq("steps", case.python("websocket_client.py", &[&host])?.trim(), STEPS)?;
    }
    case.meshed(6)
}

fn server() -> Server {
    let script = format!("exec {} {}", software::python(), software::script("websocket_server.py"));
    let hello = "GET /health HTTP/1.1\\r\\nHost: me\\r\\n\\r\\n";
    let ready = format!("{} {} 127.0.0.1 8765 1 '{hello}'", software::python(), software::script("first_byte.py"));
    Server { name: "websocket", script, ready, user: 0, port: 8765, hint: "ws", grant: Grant::Http(".*") }
}
