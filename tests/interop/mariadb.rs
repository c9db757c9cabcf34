//! MariaDB: the server speaks first.

use isthmus_tests::{cluster::Cluster, wait::expect_eq};

use crate::{
    Interop,
    case::{Case, Grant, Server},
    software::{self, PYTHON},
};

pub(crate) const TEST: Interop =
    Interop { name: "mariadb", needs: &["mariadbd", "mariadb-install-db", "mariadb", PYTHON], body: run };

/// 10,000 rows of 1,000 bytes.
const BIG: &str = "SELECT seq, REPEAT('x', 1000) FROM seq_1_to_10000";
/// The same as two numbers: rows and bytes.
const BIG_SUM: &str = "10000 10000000";

fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let client = format!("{} --no-defaults --connect-timeout=30 -uapp -psecret", software::path("mariadb")?);
    let case = Case::start(cluster, server(&client)?)?;
    let greeting = format!("{client} -h mariadb -e 'SELECT 1' shop");
    case.refuse_then_grant(&["sh", "-ec", &greeting])?;
    case.no_stall("")?;
    for host in case.hosts() {
        let sql = |flags: &str, sql: &str| case.sh(&format!("{client} -h {host} -N {flags} shop -e \"{sql}\""));
        expect_eq("a query", sql("", "SELECT 40 + 2")?.trim(), "42")?;
        let prepared = "PREPARE s FROM 'SELECT ? * ?'; SET @a = 6, @b = 7; EXECUTE s USING @a, @b;";
        expect_eq("a prepared statement", sql("", prepared)?.trim(), "42")?;
        let big = format!(
            "{client} -h {host} -N shop -e \"{BIG}\" | awk '{{ bytes += length($2) }} END {{ print NR, bytes }}'"
        );
        expect_eq("a big result", case.sh(&big)?.trim(), BIG_SUM)?;
        case.sh("seq 1 1000000 > /tmp/rows")?;
        let load =
            "CREATE OR REPLACE TABLE n (n INT); LOAD DATA LOCAL INFILE '/tmp/rows' INTO TABLE n; SELECT SUM(n) FROM n;";
        expect_eq("a big upload", sql("--local-infile=1", load)?.trim(), "500000500000")?;
        let refused = format!("{client}wrong -h {host} -e 'SELECT 1' shop 2>&1 || true");
        let refused = case.sh(&refused)?;
        expect_eq("a wrong password is MariaDB's own refusal", refused.contains("Access denied for user 'app'"), true)?;
    }
    case.meshed(20)
}

fn server(client: &str) -> anyhow::Result<Server> {
    let (install, mariadbd) = (software::path("mariadb-install-db")?, software::path("mariadbd")?);
    // A statement for each line.
    let accounts = "CREATE DATABASE shop;
CREATE USER app@'%' IDENTIFIED BY 'secret';
GRANT ALL ON shop.* TO app@'%';";
    let script = format!(
        "data=$(mktemp -d)
{install} --no-defaults --datadir=$data --auth-root-authentication-method=normal --skip-test-db >/dev/null
echo \"{accounts}\" > $data/accounts.sql
exec {mariadbd} --no-defaults --datadir=$data --socket=$data/socket --init-file=$data/accounts.sql --user=$(id -un) \
--bind-address=0.0.0.0 --skip-name-resolve --innodb-log-file-size=8M --innodb-buffer-pool-size=16M --performance-schema=OFF"
    );
    let ready = format!("{client} -h 127.0.0.1 -e 'SELECT 1' shop");
    Ok(Server { name: "mariadb", script, ready, user: 1000, port: 3306, hint: "mysql", grant: Grant::Tcp })
}
