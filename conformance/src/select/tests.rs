use super::*;
use crate::case;

fn ids(selection: &Selection) -> Vec<String> {
    case::all().unwrap().into_iter().filter(|case| selection.has(case)).map(|case| case.id).collect()
}

#[test]
fn nothing_asked_for_is_everything() {
    assert_eq!(ids(&Selection::default()).len(), case::all().unwrap().len());
}

#[test]
fn what_is_asked_for_narrows() {
    let access = Selection { groups: vec!["access".into()], ..Selection::default() };
    assert!(!ids(&access).is_empty() && ids(&access).iter().all(|id| id.starts_with("access-")));
    let two = Selection { filters: vec!["weights".into(), "access-denied".into()], ..Selection::default() };
    assert!(ids(&two).iter().all(|id| id.contains("weights") || id.contains("access-denied")));
    let demanded = Selection { demand: Some(Demand::Required), ..Selection::default() };
    assert!((1..=ids(&Selection::default()).len()).contains(&ids(&demanded).len()));
    assert!(ids(&Selection { filters: vec!["nothing-like-this".into()], ..Selection::default() }).is_empty());
}
