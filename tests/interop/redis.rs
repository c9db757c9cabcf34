//! redis: short requests that look like the start of HTTP (`GET key`), pipelines, and a channel that pushes.

use isthmus_tests::{cluster::Cluster, wait::expect_eq};

use crate::{
    Interop,
    case::{Case, Grant, Server},
    software::{self, PYTHON},
};

pub(crate) const TEST: Interop =
    Interop { name: "redis", needs: &["redis-server", "redis-cli", "redis-benchmark", PYTHON], body: run };

fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let cli = software::path("redis-cli")?;
    let case = Case::start(cluster, server(&cli)?)?;
    case.refuse_then_grant(&[&cli, "-e", "-h", "redis", "PING"])?;
    // An inline command begins like a request line of HTTP.
    case.no_stall("GET nothing\\r\\n")?;
    for host in case.hosts() {
        let redis = |pipe: &str, command: &str| case.sh(&format!("{pipe} {cli} -e -h {host} {command}"));
        redis("", "FLUSHALL")?;
        let piped = redis("seq 1 50000 | sed 's/.*/SET key& value&/' |", "--pipe")?;
        expect_eq("a pipeline of 50,000", piped.contains("errors: 0, replies: 50000"), true)?;
        expect_eq("keys", redis("", "DBSIZE")?.trim(), "50000")?;
        expect_eq("one of them", redis("", "GET key777")?.trim(), "value777")?;
        redis("head -c 20000000 /dev/zero | tr '\\0' x |", "-x SET big")?;
        expect_eq("a big value", redis("", "GET big | tr -d '\\n' | wc -c")?.trim(), "20000000")?;
        let channel = format!(
            "timeout 60 {cli} -h {host} SUBSCRIBE news > /tmp/heard &
until [ \"$({cli} -h {host} PUBLISH news extra)\" = 1 ]; do :; done
timeout 60 sh -c 'until grep -q extra /tmp/heard; do sleep 0.05; done'
kill $!"
        );
        case.sh(&channel)?;
        let benchmark = software::path("redis-benchmark")?;
        let csv = case.sh(&format!("{benchmark} -h {host} -c 20 -P 16 -n 20000 -t set,get --csv"))?;
        expect_eq("redis-benchmark ran SET and GET", csv.contains("\"SET\"") && csv.contains("\"GET\""), true)?;
    }
    case.meshed(60)
}

fn server(cli: &str) -> anyhow::Result<Server> {
    let redis = software::path("redis-server")?;
    let script = format!("exec {redis} --port 6379 --bind 0.0.0.0 --protected-mode no --save '' --appendonly no");
    let ready = format!("{cli} -e PING");
    Ok(Server { name: "redis", script, ready, user: 1000, port: 6379, hint: "redis", grant: Grant::Tcp })
}
