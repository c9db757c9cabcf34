//! A table as the messages of one batch, in the order in which the kernel can take them: sets before the rules that use them,
//! chains before the verdicts that name them.

use super::{Chain, ChainType, Element, Family, Hook, Ruleset, Set, SetData};
use crate::expr::{Expr, value, verdict};
use crate::socket::Message;
use crate::wire::{APPEND, Attrs, CREATE, Op};

/// Elements in one message: far below the 65,535 bytes of an attribute, even with the longest chain names.
const ELEMENTS_PER_MESSAGE: usize = 128;
/// `NFT_SET_MAP`.
const FLAG_MAP: u32 = 0x8;
/// `NFT_DATA_VERDICT`.
const DATA_VERDICT: u32 = 0xffff_ff00;
/// The types of keys and data mean something to the `nft` program only; 1 is a plain integer there.
const TYPE_INTEGER: u32 = 1;

impl Family {
    fn number(self) -> u8 {
        match self {
            Family::Inet => 1,
            Family::Ip => 2,
        }
    }
}

impl Hook {
    fn number(self) -> u32 {
        match self {
            Hook::Prerouting => 0,
            Hook::Input => 1,
            Hook::Forward => 2,
            Hook::Output => 3,
            Hook::Postrouting => 4,
        }
    }
}

impl ChainType {
    fn name(self) -> &'static str {
        match self {
            ChainType::Filter => "filter",
            ChainType::Nat => "nat",
        }
    }
}

pub(super) fn delete_table(family: Family, table: &str) -> Message {
    message(Op::DelTable, family, 0, format!("delete table {table}"), |a| {
        a.str(1, table);
    })
}

fn message(op: Op, family: Family, flags: u16, what: String, fill: impl FnOnce(&mut Attrs)) -> Message {
    let mut attrs = Attrs::default();
    fill(&mut attrs);
    Message { what, op, family: family.number(), flags, attrs: attrs.finish() }
}

impl Ruleset {
    /// Add, delete, add again: the first makes the deletion hold also when there was no table.
    pub(super) fn messages(&self) -> Vec<Message> {
        let mut out = vec![self.new_table(), delete_table(self.family, &self.table), self.new_table()];
        out.extend((1u32..).zip(&self.sets).map(|(id, set)| self.new_set(set, id)));
        out.extend(self.chains.iter().map(|chain| self.new_chain(chain)));
        for (id, set) in (1u32..).zip(&self.sets) {
            out.extend(set.elements.chunks(ELEMENTS_PER_MESSAGE).map(|chunk| self.new_elements(set, id, chunk)));
        }
        for chain in &self.chains {
            out.extend((1usize..).zip(&chain.rules).map(|(number, rule)| self.new_rule(chain, number, rule)));
        }
        out
    }

    fn new_table(&self) -> Message {
        message(Op::NewTable, self.family, CREATE, format!("add table {}", self.table), |a| {
            a.str(1, &self.table).u32(2, 0);
        })
    }

    fn new_chain(&self, chain: &Chain) -> Message {
        let what = format!("add chain {} of table {}", chain.name, self.table);
        message(Op::NewChain, self.family, CREATE, what, |a| {
            a.str(1, &self.table).str(3, &chain.name);
            if let Some((kind, hook, priority)) = chain.base {
                a.nested(4, |h| {
                    h.u32(1, hook.number()).u32(2, priority.cast_unsigned());
                });
                a.str(7, kind.name());
            }
        })
    }

    fn new_rule(&self, chain: &Chain, number: usize, rule: &[Expr]) -> Message {
        let what = format!("add rule {number} of chain {} of table {}", chain.name, self.table);
        message(Op::NewRule, self.family, CREATE | APPEND, what, |a| {
            a.str(1, &self.table).str(2, &chain.name).nested(4, |list| rule.iter().for_each(|expr| expr.encode(list)));
        })
    }

    fn new_set(&self, set: &Set, id: u32) -> Message {
        let what = format!("add set {} of table {}", set.name, self.table);
        message(Op::NewSet, self.family, CREATE, what, |a| {
            let flags = if set.data == SetData::None { 0 } else { FLAG_MAP };
            a.str(1, &self.table).str(2, &set.name).u32(3, flags).u32(4, TYPE_INTEGER).u32(5, set.key_len).u32(10, id);
            match set.data {
                SetData::None => {}
                SetData::Value(len) => {
                    a.u32(6, TYPE_INTEGER).u32(7, len);
                }
                SetData::Verdict => {
                    a.u32(6, DATA_VERDICT);
                }
            }
        })
    }

    fn new_elements(&self, set: &Set, id: u32, elements: &[Element]) -> Message {
        let what = format!("add elements to set {} of table {}", set.name, self.table);
        message(Op::NewElements, self.family, CREATE, what, |a| {
            a.str(1, &self.table).str(2, &set.name).u32(4, id).nested(3, |list| {
                for element in elements {
                    list.nested(1, |e| element.encode(e));
                }
            });
        })
    }
}

impl Element {
    fn encode(&self, a: &mut Attrs) {
        match self {
            Element::Key(key) => value(a, 1, key),
            Element::Value(key, data) => {
                value(a, 1, key);
                value(a, 2, data);
            }
            Element::Verdict(key, outcome) => {
                value(a, 1, key);
                verdict(a, 2, outcome);
            }
        }
    }
}
