use serde_json::json;

use super::*;

fn of(container: serde_json::Value, spec: serde_json::Value) -> Result<ProgramSpec, NotStarted> {
    let env = [("NAME".to_owned(), "world".to_owned())];
    let spec: PodSpec = serde_json::from_value(spec).unwrap();
    program(&serde_json::from_value(container).unwrap(), &spec, vec!["/bin/image".into(), "role".into()], &env)
}

#[test]
fn command_replaces_the_image_and_args_follow_either() {
    let argv = |container| of(container, json!({"containers": []})).unwrap().argv;
    assert_eq!(argv(json!({"name": "c"})), ["/bin/image", "role"]);
    assert_eq!(argv(json!({"name": "c", "args": ["-v", "$(NAME)"]})), ["/bin/image", "role", "-v", "world"]);
    assert_eq!(
        argv(json!({"name": "c", "command": ["sh", "-c"], "args": ["echo $$(NAME)"]})),
        ["sh", "-c", "echo $(NAME)"]
    );
}

#[test]
fn capabilities_are_the_defaults_less_dropped_plus_added() {
    let caps = |context: serde_json::Value| capabilities(&serde_json::from_value(context).unwrap());
    assert_eq!(caps(json!({})).unwrap().len(), 14);
    assert_eq!(
        caps(json!({"capabilities": {"drop": ["ALL"], "add": ["cap_net_admin"]}})),
        Some(vec!["NET_ADMIN".to_owned()])
    );
    assert!(!caps(json!({"capabilities": {"drop": ["KILL"]}})).unwrap().contains(&"KILL".to_owned()));
    assert_eq!(caps(json!({"privileged": true})), None);
}

#[test]
fn the_container_decides_over_the_pod_whom_it_runs_as() {
    let spec = json!({"containers": [], "securityContext": {"runAsUser": 1000, "runAsGroup": 1001, "fsGroup": 1002}});
    let own = of(json!({"name": "c", "securityContext": {"runAsUser": 2102}}), spec).unwrap();
    if user_exists(1) {
        assert_eq!((own.uid, own.gid, own.groups), (Some(2102), Some(1001), vec![1002]));
    }
    let root = of(json!({"name": "c", "securityContext": {"runAsNonRoot": true}}), json!({"containers": []}));
    assert_eq!(root.unwrap_err().reason, "CreateContainerConfigError");
}

#[test]
fn host_names_have_at_most_63_characters() {
    let spec = PodSpec::default();
    assert_eq!(hostname("web-1", &spec), "web-1");
    assert_eq!(hostname(&format!("{}-{}", "a".repeat(62), "b"), &spec), "a".repeat(62));
}
