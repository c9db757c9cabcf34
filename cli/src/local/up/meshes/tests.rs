use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: UpArgs,
}

fn planned(line: &[&str]) -> anyhow::Result<Vec<Plan>> {
    let args = Line::try_parse_from(std::iter::once(&"up").chain(line))?.args;
    plans(&args, |name| Ok(Some(PathBuf::from(name))))
}

#[test]
fn each_mesh_has_a_cluster_of_its_name_and_number() {
    let plans = planned(&["--meshes", "east,west", "--meshes", "north", "--name", "all"]).unwrap();
    let seen: Vec<_> = plans.iter().map(|plan| (plan.state.name.as_str(), plan.index)).collect();
    assert_eq!(seen, [("east", 0), ("west", 1), ("north", 2)]);
    let west = &plans[1];
    assert_eq!(west.mesh.as_ref().unwrap().trust_domain, "west.local");
    assert_eq!((west.group.as_deref(), west.data_dir.as_deref()), (Some("all"), Some("west".as_ref())));
}

#[test]
fn a_mesh_of_several_clusters_has_one_name_and_the_first_of_them_leads() {
    let plans = planned(&["--meshes", "east,west/a,west/b"]).unwrap();
    let seen: Vec<_> =
        plans.iter().map(|plan| (plan.state.name.as_str(), &*plan.mesh.as_ref().unwrap().mesh)).collect();
    assert_eq!(seen, [("east", "east"), ("west-a", "west"), ("west-b", "west")]);
    let [east, a, b] = &plans[..] else { panic!() };
    assert_eq!(east.place, None);
    assert_eq!(b.place, Some(Place { cluster: "b".into(), all: vec!["a".into(), "b".into()] }));
    assert!(a.leads(b) && !b.leads(a) && !a.leads(a) && !east.leads(b) && !a.leads(east));
}

#[test]
fn what_cant_be_a_group_is_refused() {
    for (line, said) in [
        (&["--meshes", "east,east"][..], "twice"),
        (&["--meshes", "east,West"], "cluster name"),
        (&["--meshes", "east,"], "cluster name"),
        (&["--meshes", "east,west/a,west"], "name this one too: west/CLUSTER"),
        (&["--meshes", "west/a,west/a"], "twice"),
        (&["--meshes", "west-a,west/a"], "twice"),
        (&["--meshes", "west/A,west/b"], "cluster name"),
        (&["--meshes", "west/"], "cluster name"),
        (&["--meshes", "west/a/b"], "cluster name"),
        (&["--meshes", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"], "at most 16"),
        (&["--meshes", "east", "--clusters", "2"], "cannot be used"),
        (&["--meshes", "east", "--no-mesh"], "cannot be used"),
        (&["--no-join"], "--meshes"),
    ] {
        let told = planned(line).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains(said), "{line:?}: {told:?}");
    }
}
