//! From a question's bytes to an answer's: a pure function.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, SOA, SRV};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::zone::{Entry, Found, Zone};

/// Seconds for which an answer may be kept.
const TTL: u32 = 5;
/// Aliases within the cluster that are followed for one question.
const MOST_ALIASES: usize = 8;
/// The largest answer over UDP, also when more is offered: no fragments.
const LARGEST_UDP: u16 = 1232;
/// A header.
const SHORTEST: usize = 12;

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

/// The answer to a datagram or message; None for what isn't a question at all.
pub(super) fn answer(zone: &Zone, bytes: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let question = match Message::from_vec(bytes) {
        Ok(question) if question.metadata.message_type == MessageType::Query => question,
        Ok(_) => return None,
        Err(_) => return unreadable(bytes),
    };
    let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
    reply.metadata.recursion_desired = question.metadata.recursion_desired;
    reply.metadata.response_code = match (question.metadata.op_code, question.queries.as_slice()) {
        (OpCode::Query, [query]) => {
            reply.add_query(query.clone());
            resolve(zone, query, &mut reply)
        }
        (OpCode::Query, _) => ResponseCode::FormErr,
        _ => ResponseCode::NotImp,
    };
    let limit = match (transport, &question.edns) {
        (Transport::Tcp, _) => usize::from(u16::MAX),
        (Transport::Udp, None) => 512,
        (Transport::Udp, Some(edns)) => usize::from(edns.max_payload().clamp(512, LARGEST_UDP)),
    };
    if question.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(LARGEST_UDP);
        reply.set_edns(edns);
    }
    // Different questions get the same addresses in different orders.
    let turn = usize::from(question.metadata.id) % reply.answers.len().max(1);
    if reply.answers.iter().all(|record| record.record_type() == RecordType::A) {
        reply.answers.rotate_left(turn);
    }
    let encoded = reply.to_vec().ok()?;
    if encoded.len() <= limit { Some(encoded) } else { reply.truncate().to_vec().ok() }
}

/// A question that can't be read gets its number back, and that it can't be read.
fn unreadable(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_question = bytes.len() >= SHORTEST && bytes.get(2).is_some_and(|flags| flags & 0x80 == 0);
    let id = u16::from_be_bytes(bytes.get(..2)?.try_into().ok()?);
    is_question.then(|| Message::error_msg(id, OpCode::Query, ResponseCode::FormErr).to_vec().ok())?
}

fn resolve(zone: &Zone, query: &Query, reply: &mut Message) -> ResponseCode {
    if !matches!(query.query_class(), DNSClass::IN | DNSClass::ANY) {
        return ResponseCode::Refused;
    }
    let mut owner = query.name().clone();
    for _ in 0..MOST_ALIASES {
        match zone.find(owner.to_ascii().to_lowercase().trim_end_matches('.')) {
            // Nobody else is asked. "No such name" is what makes a resolver give up at once.
            Found::Foreign if reply.answers.is_empty() => return ResponseCode::NXDomain,
            Found::Foreign => return ResponseCode::NoError,
            Found::Missing => {
                reply.metadata.authoritative = true;
                authority(zone, reply);
                return ResponseCode::NXDomain;
            }
            Found::Empty => {
                reply.metadata.authoritative = true;
                authority(zone, reply);
                return ResponseCode::NoError;
            }
            Found::Pod(address) => {
                reply.metadata.authoritative = true;
                add(zone, query, &owner, &Entry { addresses: vec![address], ..Entry::default() }, reply);
                return ResponseCode::NoError;
            }
            Found::Entry(entry) => {
                reply.metadata.authoritative = true;
                let Some(alias) = entry.alias.as_ref().and_then(|alias| Name::from_utf8(format!("{alias}.")).ok())
                else {
                    add(zone, query, &owner, entry, reply);
                    return ResponseCode::NoError;
                };
                reply.add_answer(Record::from_rdata(owner, TTL, RData::CNAME(CNAME(alias.clone()))));
                if query.query_type() == RecordType::CNAME {
                    return ResponseCode::NoError;
                }
                owner = alias;
            }
        }
    }
    ResponseCode::ServFail
}

/// The entry's records of the wanted type; without any, who is in charge of the name.
fn add(zone: &Zone, query: &Query, owner: &Name, entry: &Entry, reply: &mut Message) {
    let before = reply.answers.len();
    if matches!(query.query_type(), RecordType::A | RecordType::ANY) {
        reply.add_answers(
            entry.addresses.iter().map(|address| Record::from_rdata(owner.clone(), TTL, RData::A(A(*address)))),
        );
    }
    if matches!(query.query_type(), RecordType::SRV | RecordType::ANY) {
        for (port, target) in &entry.services {
            let Ok(name) = Name::from_utf8(format!("{target}.")) else { continue };
            reply.add_answer(Record::from_rdata(owner.clone(), TTL, RData::SRV(SRV::new(0, 100, *port, name.clone()))));
            if let Found::Entry(target) = zone.find(target) {
                reply.add_additionals(
                    target.addresses.iter().map(|a| Record::from_rdata(name.clone(), TTL, RData::A(A(*a)))),
                );
            }
        }
    }
    if reply.answers.len() == before {
        authority(zone, reply);
    }
}

fn authority(zone: &Zone, reply: &mut Message) {
    let name = |prefix: &str| Name::from_utf8(format!("{prefix}{}.", zone.domain));
    if let (Ok(apex), Ok(server), Ok(mailbox)) = (name(""), name("ns.dns."), name("hostmaster.")) {
        let minutes = |count: i32| count * 60;
        let soa = SOA::new(server, mailbox, 1, minutes(120), minutes(30), minutes(1440), TTL);
        reply.add_authority(Record::from_rdata(apex, TTL, RData::SOA(soa)));
    }
}
