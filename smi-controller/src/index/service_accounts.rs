//! ServiceAccounts: that they exist.

use std::collections::BTreeSet;

use isthmus_core::id::ObjectName;
use k8s_openapi::api::core::v1::ServiceAccount;

use super::{Fact, Facts, table::name_of};

/// All ServiceAccounts.
#[derive(Debug, Default)]
pub(crate) struct ServiceAccounts {
    names: BTreeSet<ObjectName>,
}

impl ServiceAccounts {
    pub(crate) fn contains(&self, name: &ObjectName) -> bool {
        self.names.contains(name)
    }

    pub(crate) fn apply(&mut self, account: &ServiceAccount, facts: &mut Facts) {
        let name = name_of(account);
        if self.names.insert(name.clone()) {
            facts.insert(Fact::Account(name));
        }
    }

    pub(crate) fn delete(&mut self, name: &ObjectName, facts: &mut Facts) {
        if self.names.remove(name) {
            facts.insert(Fact::Account(name.clone()));
        }
    }
}
