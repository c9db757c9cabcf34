//! Which cases of the suite are run.

#[cfg(test)]
mod tests;

use crate::case::{Case, Demand};

/// What was asked for. Nothing asked for is everything.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Parts of ids; any of them.
    pub filters: Vec<String>,
    /// Groups; any of them.
    pub groups: Vec<String>,
    /// Only what is demanded this strongly, or more.
    pub demand: Option<Demand>,
}

impl Selection {
    /// Is it among them?
    pub fn has(&self, case: &Case) -> bool {
        let any = |asked: &[String], fits: &dyn Fn(&str) -> bool| asked.is_empty() || asked.iter().any(|a| fits(a));
        any(&self.filters, &|filter| case.id.contains(filter))
            && any(&self.groups, &|group| case.group() == group)
            && self.demand.is_none_or(|demand| case.demand <= demand)
    }
}
