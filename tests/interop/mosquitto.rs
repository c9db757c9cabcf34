//! MQTT by mosquitto: small binary frames, all three qualities of service.

use isthmus_tests::{cluster::Cluster, wait::expect_eq};

use crate::{
    Interop,
    case::{Case, Grant, Server},
    software::{self, PYTHON},
};

pub(crate) const TEST: Interop =
    Interop { name: "mosquitto", needs: &["mosquitto", "mosquitto_pub", "mosquitto_sub", PYTHON], body: run };

/// CONNECT of MQTT 3.1.1 with a clean session and no client id.
const CONNECT: &str = "\\x10\\x0c\\0\\x04MQTT\\x04\\x02\\0\\x3c\\0\\0";

fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let (publish, subscribe) = (software::path("mosquitto_pub")?, software::path("mosquitto_sub")?);
    let case = Case::start(cluster, server()?)?;
    case.refuse_then_grant(&[&publish, "-h", "mosquitto", "-t", "first", "-m", "word"])?;
    case.no_stall(CONNECT)?;
    for host in case.hosts() {
        for (quality, version) in [("0", "mqttv31"), ("1", "mqttv311"), ("2", "mqttv5")] {
            let flags = format!("-h {host} -V {version} -q {quality} -t kept/{quality}");
            // A retained message is there for whoever subscribes later.
            case.sh(&format!("{publish} {flags} -r -m 'of quality {quality}'"))?;
            let heard = case.sh(&format!("{subscribe} {flags} -C 1 -W 60"))?;
            expect_eq("a retained message", heard.trim(), format!("of quality {quality}").as_str())?;
        }
        let live = format!(
            "heard=$(mktemp)
stdbuf -oL {subscribe} -d -h {host} -q 1 -t live -C 200 -W 60 > $heard &
until grep -q Subscribed $heard; do kill -0 $!; sleep 0.1; done
seq 1 200 | {publish} -h {host} -q 1 -t live -l
wait $!
grep -E '^[0-9]+$' $heard > $heard.messages
seq 1 200 | cmp - $heard.messages
rm $heard $heard.messages"
        );
        case.sh(&live)?;
        let big = "head -c 5000000 /dev/zero | tr '\\0' x";
        case.sh(&format!("{big} | {publish} -h {host} -q 1 -r -t big -s"))?;
        let size = case.sh(&format!("{subscribe} -h {host} -t big -C 1 -W 60 -N | wc -c"))?;
        expect_eq("a big message", size.trim(), "5000000")?;
    }
    case.meshed(30)
}

fn server() -> anyhow::Result<Server> {
    let script = format!(
        "conf=$(mktemp)
printf 'listener 1883 0.0.0.0\\nallow_anonymous true\\n' > $conf
exec {} -c $conf",
        software::path("mosquitto")?
    );
    let ready = format!("{} -t ready -m 1", software::path("mosquitto_pub")?);
    Ok(Server { name: "mosquitto", script, ready, user: 1000, port: 1883, hint: "mqtt", grant: Grant::Tcp })
}
