use super::super::graph::tests::graph;
use super::*;

const WIDTH: f64 = 100.0;

fn layout(pairs: &[(&str, &str)]) -> Layout {
    Layout::of(&graph(pairs), WIDTH)
}

/// The columns of the nodes, in the order of their names.
fn columns(layout: &Layout) -> Vec<u32> {
    let column = |corner: &Option<(f64, f64)>| ((corner.unwrap().0 - MARGIN - HEAD) / (WIDTH + GAP)) as u32;
    layout.nodes.iter().map(column).collect()
}

fn apart(layout: &Layout) -> bool {
    let all: Vec<(f64, f64)> = layout.nodes.iter().flatten().copied().collect();
    let apart = |a: &(f64, f64), b: &(f64, f64)| (a.0 - b.0).abs() > WIDTH || (a.1 - b.1).abs() > NODE_HEIGHT;
    all.iter().enumerate().all(|(at, a)| all.iter().skip(at + 1).all(|b| apart(a, b)))
}

#[test]
fn callers_are_to_the_left_of_whom_they_call() {
    let layout = layout(&[("a", "b"), ("a", "c"), ("b", "d"), ("a", "d")]);
    assert_eq!(columns(&layout), [0, 1, 1, 2]);
    assert!(apart(&layout));
    // The link from a to d passes a column, and no node of it.
    let long = &layout.routes[2];
    assert_eq!(long.len(), 4);
    assert!(long[1].0 < long[2].0 && long[1].1 == long[2].1);
    let hit = layout
        .nodes
        .iter()
        .flatten()
        .any(|(x, y)| *x == long[1].0 && (y + NODE_HEIGHT / 2.0 - long[1].1).abs() < NODE_HEIGHT / 2.0);
    assert!(!hit, "{layout:?}");
}

#[test]
fn circles_are_drawn_there_and_back() {
    let layout = layout(&[("a", "b"), ("b", "a"), ("b", "b")]);
    assert_eq!(columns(&layout), [0, 1]);
    let [there, back, own] = &layout.routes[..] else { panic!("{layout:?}") };
    assert!(there[0].0 < there[1].0 && back[0].0 > back[1].0);
    assert_ne!(there[0].1, back[0].1);
    assert_eq!(own.len(), 1);
}

#[test]
fn meshes_stand_in_bands() {
    let layout = layout(&[("web", "east:catalog"), ("web", "catalog"), ("east:catalog", "east:store")]);
    let [own, east] = &layout.bands[..] else { panic!("{layout:?}") };
    assert_eq!((own.mesh.as_deref(), east.mesh.as_deref()), (None, Some("east")));
    assert!(own.y + own.height < east.y);
    // catalog and web are this mesh's.
    let inside = |node: usize, band: &Band| {
        let (_, y) = layout.nodes[node].unwrap();
        y > band.y && y + NODE_HEIGHT < band.y + band.height
    };
    assert_eq!([0, 1, 2, 3].map(|node| inside(node, own)), [true, true, false, false]);
    assert_eq!([2, 3].map(|node| inside(node, east)), [true, true]);
}

#[test]
fn two_callers_of_two_dont_cross() {
    let layout = layout(&[("a", "z"), ("b", "y")]);
    let y = |node: usize| layout.nodes[node].unwrap().1;
    // a, b, y, z: whom a calls is beside a.
    assert_eq!(y(0) < y(1), y(3) < y(2));
}

#[test]
fn nothing_is_a_picture_too() {
    assert_eq!(layout(&[]).routes, Vec::<Vec<_>>::new());
}
