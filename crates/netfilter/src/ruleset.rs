//! One table as a whole, and the batch that puts it in place.

mod encode;
#[cfg(test)]
mod tests;

use crate::error::Error;
use crate::expr::{Expr, Verdict};
use crate::socket;

/// Which packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv4 and IPv6.
    Inet,
}

/// What a base chain may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainType {
    /// Accept, drop, reject: sees every packet.
    Filter,
    /// Rewrite addresses: sees the first packet of a connection.
    Nat,
}

/// Where in a packet's way a base chain hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Before routing, of packets that arrive.
    Prerouting,
    /// Of packets that are for this host.
    Input,
    /// Of packets that pass through.
    Forward,
    /// Of packets that this host sends.
    Output,
    /// After routing, of packets that leave.
    Postrouting,
}

/// A named set, or a map when it has data.
#[derive(Clone, Debug)]
pub struct Set {
    /// Its name within the table.
    pub name: String,
    /// Length of a key in bytes; the parts of a composed key are padded to four bytes each.
    pub key_len: u32,
    /// What its elements map to.
    pub data: SetData,
    /// The elements.
    pub elements: Vec<Element>,
}

/// What the elements of a [`Set`] map to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetData {
    /// Nothing: a plain set.
    None,
    /// Values of so many bytes.
    Value(u32),
    /// Verdicts.
    Verdict,
}

/// An element of a [`Set`]; its kind must be that of the set.
#[derive(Clone, Debug)]
pub enum Element {
    /// A member.
    Key(Vec<u8>),
    /// A key and its value.
    Value(Vec<u8>, Vec<u8>),
    /// A key and its verdict.
    Verdict(Vec<u8>, Verdict),
}

#[derive(Clone, Debug)]
struct Chain {
    name: String,
    base: Option<(ChainType, Hook, i32)>,
    rules: Vec<Vec<Expr>>,
}

/// A table: sets, chains and rules. Applied as a whole, it takes the place of the table of the same name.
#[derive(Clone, Debug)]
pub struct Ruleset {
    family: Family,
    table: String,
    sets: Vec<Set>,
    chains: Vec<Chain>,
}

impl Ruleset {
    /// An empty table. Names have 1 to 255 bytes.
    pub fn new(family: Family, table: impl Into<String>) -> Self {
        Ruleset { family, table: table.into(), sets: Vec::new(), chains: Vec::new() }
    }

    /// Adds a set or map.
    pub fn set(&mut self, set: Set) -> &mut Self {
        self.sets.push(set);
        self
    }

    /// Adds a chain that packets reach at a hook; a lower priority comes first (-100 is destination NAT's place, 0 filters', 100 source NAT's).
    pub fn base_chain(
        &mut self,
        name: impl Into<String>,
        kind: ChainType,
        hook: Hook,
        priority: i32,
        rules: Vec<Vec<Expr>>,
    ) -> &mut Self {
        self.chains.push(Chain { name: name.into(), base: Some((kind, hook, priority)), rules });
        self
    }

    /// Adds a chain that packets reach by a jump.
    pub fn chain(&mut self, name: impl Into<String>, rules: Vec<Vec<Expr>>) -> &mut Self {
        self.chains.push(Chain { name: name.into(), base: None, rules });
        self
    }

    /// Puts the table into the calling thread's network namespace, in one transaction. Connections that are already tracked keep
    /// their addresses.
    ///
    /// # Errors
    /// The namespace is unchanged; the error names the part that the kernel refused.
    pub fn apply(&self) -> Result<(), Error> {
        self.check_names()?;
        socket::run(&self.messages())
    }

    fn check_names(&self) -> Result<(), Error> {
        let chains = self.chains.iter().map(|chain| &chain.name);
        let sets = self.sets.iter().map(|set| &set.name);
        match chains.chain(sets).chain([&self.table]).find(|name| !name_fits(name)) {
            Some(name) => Err(Error::Name { name: name.clone() }),
            None => Ok(()),
        }
    }
}

fn name_fits(name: &str) -> bool {
    (1..=255).contains(&name.len()) && !name.contains('\0')
}

/// Removes a table from the calling thread's network namespace; it need not be there.
///
/// # Errors
/// As [`Ruleset::apply`].
pub fn remove_table(family: Family, table: &str) -> Result<(), Error> {
    if !name_fits(table) {
        return Err(Error::Name { name: table.to_owned() });
    }
    match socket::run(&[encode::delete_table(family, table)]) {
        Err(Error::Refused { source, .. }) if source.raw_os_error() == Some(socket::ENOENT) => Ok(()),
        other => other,
    }
}
