//! HTTP/1 by nginx and curl: the shapes of requests and answers that programs really send.

use isthmus_tests::{cluster::Cluster, wait::expect_eq};

use crate::{
    Interop,
    case::{Case, Grant, Server},
    software::{self, PYTHON},
};

pub(crate) const TEST: Interop = Interop { name: "nginx", needs: &["nginx", "curl", PYTHON], body: run };

fn run(cluster: &Cluster) -> anyhow::Result<()> {
    let curl = format!("{} -sS --max-time 60", software::path("curl")?);
    let case = Case::start(cluster, server(&curl)?)?;
    case.refuse_then_grant(&["sh", "-ec", &format!("{curl} -f http://nginx:8080/hello")])?;
    case.no_stall("GET /hello HTTP/1.1\\r\\nHost: nginx\\r\\n\\r\\n")?;
    case.sh("head -c 10000000 /dev/urandom > /tmp/up")?;
    for host in case.hosts() {
        let url = format!("http://{host}:8080");
        let ask = |arguments: &str| case.sh(&format!("{curl} {arguments}"));
        expect_eq("GET", ask(&format!("{url}/hello"))?.as_str(), "hello\n")?;
        let status = |flags: &str| {
            ask(&format!("-o /dev/null -w '%{{http_version}} %{{http_code}} %{{size_download}}' {flags}"))
        };
        expect_eq("HTTP/1.0", status(&format!("-0 {url}/hello"))?.as_str(), "1 200 6")?;
        // curl waits for 100 Continue before it sends a body of this size.
        expect_eq("PUT with Expect", status(&format!("-T /tmp/up {url}/files/{host}"))?.as_str(), "1.1 201 0")?;
        expect_eq(
            "PUT in chunks",
            status(&format!("-T - {url}/files/{host}.chunked < /tmp/up"))?.as_str(),
            "1.1 201 0",
        )?;
        for file in [host.clone(), format!("{host}.chunked")] {
            case.sh(&format!("{curl} {url}/files/{file} | cmp - /tmp/up"))?;
        }
        let file = format!("{url}/files/{host}");
        expect_eq("HEAD", status(&format!("-I {file}"))?.as_str(), "1.1 200 0")?;
        let length = ask(&format!("-I {file} | tr -d '\\r' | grep -i '^content-length'"))?;
        expect_eq("HEAD's length", length.trim().to_lowercase().as_str(), "content-length: 10000000")?;
        case.sh(&format!("{curl} -r 5000000-5000999 {file} | cmp - /tmp/up -i 0:5000000 -n 1000"))?;
        expect_eq("a range", status(&format!("-r 0-999 {file}"))?.as_str(), "1.1 206 1000")?;
        let not_modified =
            format!("-z \"$({curl} -I {file} | tr -d '\\r' | sed -n 's/^[Ll]ast-[Mm]odified: //p')\" {file}");
        expect_eq("304", status(&not_modified)?.as_str(), "1.1 304 0")?;
        expect_eq("404", status(&format!("{url}/files/none"))?.split(' ').nth(1), Some("404"))?;
        case.sh(&format!("seq 1 100000 > /tmp/text; {curl} --compressed {url}/text | cmp - /tmp/text"))?;
        let connects = ask(&format!("-w '%{{num_connects}} ' -o /dev/null {url}/hello -o /dev/null {url}/hello"))?;
        expect_eq("keep-alive: connections made for two requests", connects.trim(), "1 0")?;
    }
    case.meshed(30)
}

fn server(curl: &str) -> anyhow::Result<Server> {
    let script = format!(
        "data=$(mktemp -d)
mkdir $data/files
printf hello\\\\n > $data/hello
seq 1 100000 > $data/text
cat > $data/nginx.conf <<END
daemon off; worker_processes 1; pid $data/pid; error_log stderr;
events {{ }}
http {{
  access_log off; default_type text/plain; gzip on; client_max_body_size 0;
  client_body_temp_path $data/body; proxy_temp_path $data/proxy;
  fastcgi_temp_path $data/fastcgi; uwsgi_temp_path $data/uwsgi; scgi_temp_path $data/scgi;
  server {{ listen 8080; root $data; location /files/ {{ gzip off; dav_methods PUT; }} }}
}}
END
exec {} -c $data/nginx.conf",
        software::path("nginx")?
    );
    let ready = format!("{curl} -f http://127.0.0.1:8080/hello");
    Ok(Server { name: "nginx", script, ready, user: 1000, port: 8080, hint: "http", grant: Grant::Http(".*") })
}
