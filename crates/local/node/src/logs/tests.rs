use proptest::prelude::*;

use super::read::select;
use super::*;

async fn written(limit: u64, output: &[u8]) -> (tempfile::TempDir, Arc<Log>) {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::create(directory.path(), "c", 0, limit).unwrap();
    copy(Arc::clone(&log), "stdout", output).await.unwrap();
    (directory, log)
}

fn shown(directory: &Path, options: &LogOptions) -> String {
    String::from_utf8(select(&fs::read(file(directory, "c", 0)).unwrap(), options)).unwrap()
}

#[tokio::test]
async fn lines_come_back_as_they_were_written() {
    let (directory, _log) = written(1 << 20, b"one\ntwo\nno end").await;
    assert_eq!(shown(directory.path(), &LogOptions::default()), "one\ntwo\nno end\n");
    assert_eq!(shown(directory.path(), &LogOptions { tail_lines: Some(2), ..Default::default() }), "two\nno end\n");
    assert_eq!(shown(directory.path(), &LogOptions { tail_lines: Some(0), ..Default::default() }), "");
    let late = Some(Timestamp::now() + jiff::SignedDuration::from_secs(60));
    assert_eq!(shown(directory.path(), &LogOptions { since: late, ..Default::default() }), "");
    let stamped = shown(directory.path(), &LogOptions { timestamps: true, tail_lines: Some(1), ..Default::default() });
    let (time, text) = stamped.split_once(' ').unwrap();
    assert!(time.parse::<Timestamp>().is_ok() && text == "no end\n");
}

#[tokio::test]
async fn a_very_long_line_is_one_line_again() {
    let long = "x".repeat(50_000) + "\nnext\n";
    let (directory, _log) = written(1 << 20, long.as_bytes()).await;
    assert_eq!(shown(directory.path(), &LogOptions::default()), long);
    assert_eq!(shown(directory.path(), &LogOptions { tail_lines: Some(1), ..Default::default() }), "next\n");
}

#[tokio::test]
async fn a_full_log_is_rotated_and_old_starts_are_removed() {
    let (directory, _log) = written(200, "0123456789\n".repeat(50).as_bytes()).await;
    assert!(fs::metadata(file(directory.path(), "c", 0)).unwrap().len() <= 200);
    assert!(rotated(&file(directory.path(), "c", 0)).exists());
    Log::create(directory.path(), "c", 1, 200).unwrap();
    assert!(file(directory.path(), "c", 0).exists());
    Log::create(directory.path(), "c", 2, 200).unwrap();
    assert!(!file(directory.path(), "c", 0).exists() && !rotated(&file(directory.path(), "c", 0)).exists());
}

#[tokio::test]
async fn following_ends_with_the_output() {
    let directory = tempfile::tempdir().unwrap();
    let log = Log::create(directory.path(), "c", 0, 1 << 20).unwrap();
    log.write("stdout", b"before", true).unwrap();
    let (out, mut lines) = tokio::sync::mpsc::channel(4);
    let (path, growth) = (file(directory.path(), "c", 0), log.growth());
    let options = LogOptions { follow: true, ..Default::default() };
    let reader = tokio::spawn(async move { read(&path, &options, Some(growth), out).await });
    assert_eq!(lines.recv().await.unwrap().unwrap(), "before\n");
    log.write("stderr", b"after", true).unwrap();
    assert_eq!(lines.recv().await.unwrap().unwrap(), "after\n");
    drop(log);
    assert!(lines.recv().await.is_none());
    reader.await.unwrap().unwrap();
}

proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(content: Vec<u8>, tail in proptest::option::of(0usize..5)) {
        select(&content, &LogOptions { tail_lines: tail, timestamps: true, since: Some(Timestamp::UNIX_EPOCH), ..Default::default() });
    }
}
