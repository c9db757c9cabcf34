use std::{convert::Infallible, io::Write, sync::Arc};

use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::*;

/// Answers every request alike, and keeps what it was asked.
async fn server(status: u16, body: &'static str) -> (PrometheusUrl, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/prefix", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let keeps = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let keeps = Arc::clone(&keeps);
            let service = service_fn(move |request: Request<Incoming>| {
                let keeps = Arc::clone(&keeps);
                async move {
                    let (head, form) = request.into_parts();
                    let form = form.collect().await.unwrap().to_bytes();
                    let token = head.headers.get("authorization").map(|v| v.to_str().unwrap().to_owned());
                    let form = String::from_utf8_lossy(&form);
                    keeps.lock().push(format!("{} {} {} {form}", head.method, head.uri, token.unwrap_or_default()));
                    let answer = http::Response::builder().status(status).body(Full::new(Bytes::from(body)));
                    Ok::<_, Infallible>(answer.unwrap())
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (url.parse().unwrap(), asked)
}

fn config(url: PrometheusUrl) -> PrometheusConfig {
    PrometheusConfig { url, ca: None, token_file: None, timeout: Duration::from_secs(10) }
}

async fn answer(status: u16, body: &'static str) -> Result<Reply, SourceError> {
    let (url, _) = server(status, body).await;
    Client::new(&config(url)).unwrap().query("up").await
}

#[tokio::test]
async fn an_answer_is_read_and_the_question_is_a_form() {
    let body = r#"{"status":"success","warnings":["w"],"data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1.5,"7"]}]}}"#;
    let (url, asked) = server(200, body).await;
    let mut token = tempfile();
    writeln!(token.1, "sesame").unwrap();
    let config = PrometheusConfig { token_file: Some(token.0.clone()), ..config(url) };
    let reply = Client::new(&config).unwrap().query("sum (x{a=\"b\"})").await.unwrap();
    assert_eq!((reply.samples.len(), reply.warnings), (1, vec!["w".to_owned()]));
    let asked = asked.lock().concat();
    assert_eq!(asked, "POST /prefix/api/v1/query Bearer sesame query=sum+%28x%7Ba%3D%22b%22%7D%29&timeout=10000ms");
    fs::remove_file(token.0).unwrap();
}

#[tokio::test]
async fn whoever_fails_is_named_with_the_remedy() {
    let unavailable = |result: Result<Reply, SourceError>| match result {
        Err(SourceError::Unavailable(text)) => text,
        other => panic!("{other:?}"),
    };
    let text = unavailable(answer(404, "<html>").await);
    assert!(
        text.contains("isn't Prometheus' API") && text.contains("404") && text.contains("--prometheus-url"),
        "{text}"
    );
    let text = unavailable(answer(401, "").await);
    assert!(text.contains("--prometheus-token-file"), "{text}");
    let text =
        unavailable(answer(422, r#"{"status":"error","errorType":"execution","error":"too many samples"}"#).await);
    assert!(text.ends_with("can't answer: execution: too many samples"), "{text}");
    let text = unavailable(answer(200, r#"{"status":"success"}"#).await);
    assert!(text.contains("no data"), "{text}");
    assert!(matches!(
        answer(503, r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#).await,
        Err(SourceError::Timeout(_))
    ));
    let text = unavailable(answer(307, "").await);
    assert!(text.contains("307"), "{text}");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url: PrometheusUrl = format!("http://{nobody}").parse().unwrap();
    let text = unavailable(Client::new(&config(url)).unwrap().query("up").await);
    assert!(text.contains("Connection refused") && text.contains(&nobody.to_string()), "{text}");
}

#[tokio::test]
async fn silence_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let config = PrometheusConfig { timeout: Duration::from_millis(50), ..config(url) };
    let outcome = Client::new(&config).unwrap().query("up").await;
    let Err(SourceError::Timeout(text)) = outcome else { panic!("{outcome:?}") };
    assert!(text.contains("50ms") && text.contains("--prometheus-timeout"), "{text}");
}

#[test]
fn authorities_that_are_none_are_told_at_the_start() {
    let mut file = tempfile();
    writeln!(file.1, "nothing").unwrap();
    let url: PrometheusUrl = "https://prometheus.example".parse().unwrap();
    let with = |ca: &Path| Client::new(&PrometheusConfig { ca: Some(ca.to_owned()), ..config(url.clone()) });
    let text = with(&file.0).unwrap_err().to_string();
    assert!(text.contains("holds no certificate"), "{text}");
    fs::remove_file(&file.0).unwrap();
    assert!(with(&file.0).unwrap_err().to_string().starts_with("--prometheus-ca "));
}

fn tempfile() -> (std::path::PathBuf, fs::File) {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("isthmus-prometheus-{}-{number}", std::process::id()));
    (path.clone(), fs::File::create(path).unwrap())
}
