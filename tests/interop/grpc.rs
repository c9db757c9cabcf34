//! gRPC by grpcio: its C core is strict about HTTP/2, trailers and status.

use isthmus_tests::{cluster::Cluster, wait::expect_eq};

use crate::{
    Interop,
    case::{Case, Grant, Server},
    software::{self, PYTHON},
};

pub(crate) const TEST: Interop = Interop { name: "grpc", needs: &[PYTHON], body: run };

const STEPS: &str = "health, unary, metadata, 3 MB message, server streaming, client streaming, bidirectional streaming, \
100 calls at once, status with details, trailers only, unimplemented, deadline, cancellation, cancelled by the server, \
gzip, denied method";

fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let case = Case::start(cluster, server())?;
    let (python, script) = (software::python(), software::script("grpc_client.py"));
    case.refuse_then_grant(&[&python, &script, "grpc"])?;
    for host in case.hosts() {
        expect_eq("steps", case.python("grpc_client.py", &[&host])?.trim(), STEPS)?;
    }
    case.meshed(200)
}

fn server() -> Server {
    let script = format!("exec {} {}", software::python(), software::script("grpc_server.py"));
    let ready = format!("{} {} 127.0.0.1", software::python(), software::script("grpc_ready.py"));
    // All of the health service, and of the other but one method.
    let grant = Grant::Http("/grpc.health.v1.Health/.*|/interop.Echo/([^S].*|S[^e].*)");
    Server { name: "grpc", script, ready, user: 0, port: 50051, hint: "grpc", grant }
}
