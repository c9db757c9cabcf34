//! PostgreSQL: the client asks for TLS in the clear, so its own TLS begins in the middle of a connection.

use isthmus_tests::{cluster::Cluster, wait::expect_eq};

use crate::{
    Interop,
    case::{Case, Grant, Server},
    software::{self, OTHER_USER, PYTHON},
};

pub(crate) const TEST: Interop = Interop {
    name: "postgres",
    needs: &["postgres", "initdb", "pgbench", "psql", "openssl", OTHER_USER, PYTHON],
    body: run,
};

/// The client's first message: a request for TLS.
const SSL_REQUEST: &str = "\\0\\0\\0\\x08\\x04\\xd2\\x16\\x2f";

fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let case = Case::start(cluster, server()?)?;
    let url =
        |host: &str, tls: &str| format!("postgresql://app:secret@{host}/postgres?connect_timeout=30&sslmode={tls}");
    let psql = |host: &str, tls: &str, more: &str| -> anyhow::Result<String> {
        Ok(format!("{} -XqAt -v ON_ERROR_STOP=1 '{}' {more}", software::path("psql")?, url(host, tls)))
    };
    case.refuse_then_grant(&["sh", "-ec", &psql("postgres", "disable", "-c 'SELECT 1'")?])?;
    case.no_stall(SSL_REQUEST)?;
    for host in case.hosts() {
        for (tls, own_tls) in [("disable", "f|"), ("require", "t|TLSv1.3")] {
            let run = |more: &str| -> anyhow::Result<String> { case.sh(&psql(&host, tls, more)?) };
            let seen = run("-c 'SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()'")?;
            expect_eq("TLS of the application's own", seen.trim(), own_tls)?;
            let big = "-c \"SELECT repeat('x', 1000) FROM generate_series(1, 10000)\" | awk '{ n += length } END { print NR, n }'";
            expect_eq("a big result", run(big)?.trim(), "10000 10000000")?;
            let rows = "seq 1 300000";
            run("-c 'SET client_min_messages = error; DROP TABLE IF EXISTS n; CREATE TABLE n (n int)'")?;
            case.sh(&format!("{rows} | {}", psql(&host, tls, "-c 'COPY n FROM STDIN'")?))?;
            let (asked, got) = (case.sh(&format!("{rows} | sha256sum"))?, run("-c 'COPY n TO STDOUT' | sha256sum")?);
            expect_eq("COPY there and back", got, asked)?;
        }
        let pgbench = software::path("pgbench")?;
        let benched = case.sh(&format!(
            "echo 'SELECT :client_id + 1;' > /tmp/bench.sql
{pgbench} -n -M prepared -c 4 -t 50 -f /tmp/bench.sql '{}'",
            url(&host, "prefer")
        ))?;
        expect_eq("prepared statements, 4 x 50", benched.contains("actually processed: 200/200"), true)?;
    }
    case.meshed(30)
}

fn server() -> anyhow::Result<Server> {
    let (initdb, postgres, psql) = (software::path("initdb")?, software::path("postgres")?, software::path("psql")?);
    let openssl = software::path("openssl")?;
    let script = format!(
        "data=$(mktemp -d)
echo secret > $data.password
{initdb} --no-sync -U app --auth=scram-sha-256 --pwfile=$data.password -D $data >/dev/null
echo 'host all all all scram-sha-256' >> $data/pg_hba.conf
{openssl} req -new -x509 -days 2 -nodes -subj /CN=postgres -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
-keyout $data/server.key -out $data/server.crt 2>/dev/null
chmod 600 $data/server.key
exec {postgres} -D $data -h 0.0.0.0 -k $data -c ssl=on -c fsync=off"
    );
    let ready = format!("{psql} -X 'postgresql://app:secret@127.0.0.1/postgres' -c 'SELECT 1'");
    Ok(Server { name: "postgres", script, ready, user: 1000, port: 5432, hint: "postgres", grant: Grant::Tcp })
}
