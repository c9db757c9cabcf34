use super::*;

const CASE: &str = "
title: A client is answered
source: { page: our-rules, section: Shops, says: Clients are answered. }
demand: required
apps: { client: {}, server: {} }
open: true
steps:
- expect:
  - { from: client, to: server }
";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn refused(files: &[(&str, &str)]) -> String {
    let folder = folder(files);
    let error = of_folder(folder.path()).unwrap_err().to_string();
    error.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn cases_are_the_yaml_files_of_a_folder() {
    let files = [
        ("shop-b.yaml", CASE),
        ("deeper/shop-a.yml", CASE),
        (".shop-c.yaml", "an editor's"),
        ("README.md", "about them"),
    ];
    let cases = of_folder(folder(&files).path()).unwrap();
    let ids: Vec<_> = cases.iter().map(|case| (case.id.as_str(), case.group())).collect();
    assert_eq!(ids, [("shop-a", "shop"), ("shop-b", "shop")]);
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place() {
    for (from, to, told) in [
        ("demand: required", "demand: must", "shop-a.yaml: demand: unknown variant `must`, expected one of `required`"),
        ("open: true", "opened: true", "shop-a.yaml: unknown field `opened`, expected one of `title`"),
        ("client: {}", "client: { port: 1 }", "shop-a.yaml: apps.client: unknown field `port`"),
        ("- expect:", "- except:", "shop-a.yaml: steps[0]: unknown variant `except`, expected one of `apply`"),
        ("to: server", "too: server", "shop-a.yaml: steps[0].expect[0]: unknown field `too`"),
        (", to: server", "", "shop-a.yaml: steps[0].expect[0]: missing field `to`"),
        ("title: A client is answered\n", "", "shop-a.yaml: missing field `title`"),
        ("to: server", "to: sever", "shop-a.yaml: steps[0].expect[0].to: there is no app or Service \"sever\" where"),
        ("apps: {", "apps: [", "shop-a.yaml: "),
    ] {
        let error = refused(&[("shop-a.yaml", &CASE.replace(from, to))]);
        assert!(error.starts_with(told), "{error}");
    }
}

#[test]
fn what_is_wrong_with_a_folder_is_told() {
    let error = refused(&[("shop-a.yaml", CASE), ("x/shop-a.yml", CASE)]);
    assert!(error.ends_with("shop-a.yaml has the same name, which is the case's id: rename one"), "{error}");
    assert!(refused(&[("README.md", "")]).contains("no file in it ends in .yaml or .yml"));
    let error = of_folder(Path::new("/nowhere")).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere: it can't be read: No such file"), "{error}");
}
