//! What a revocation did, as the controller has counted it.

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The proof of a revocation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    pub(crate) mesh: String,
    pub(crate) revoked: String,
    /// What the controller has counted; `None`: the object went before its receipt could be read.
    #[serde(flatten)]
    pub(crate) counted: Option<Counted>,
}

/// The controller's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counted {
    /// Proxies that were to forget the peer.
    pub(crate) proxies: u64,
    /// Those that have confirmed it.
    pub(crate) confirmed: u64,
    /// Connections with the peer that they have cut.
    pub(crate) connections_cut: u64,
    /// Until the last has confirmed.
    pub(crate) milliseconds: u64,
}

impl Receipt {
    pub(super) fn read(mesh: &str, revoked: &str, text: Option<&str>) -> anyhow::Result<Self> {
        let counted = text.map(serde_json::from_str).transpose().context("the controller's receipt can't be read")?;
        Ok(Self { mesh: mesh.to_owned(), revoked: revoked.to_owned(), counted })
    }

    /// Has every proxy confirmed?
    pub(crate) fn is_complete(&self) -> bool {
        self.counted.is_some_and(|counted| counted.confirmed >= counted.proxies)
    }

    pub(super) fn text(&self) -> String {
        let Self { mesh, revoked, .. } = self;
        let Some(Counted { proxies, confirmed, connections_cut, milliseconds }) = self.counted else {
            return format!(
                "{revoked} is no peer of {mesh} any more, but the MeshPeer went before its receipt could be read\n"
            );
        };
        let head = format!("{revoked} is no peer of {mesh} any more\n");
        let body = format!(
            "  proxies that confirmed   {confirmed}/{proxies}\n  connections cut          {connections_cut}\n  time to zero             {milliseconds} ms\n"
        );
        let missing = proxies.saturating_sub(confirmed);
        let rest = match missing {
            0 => String::new(),
            _ => format!(
                "{missing} didn't confirm in time: they get it as soon as they reach the controller; delete their pods to be sure now\n"
            ),
        };
        head + &body + &rest
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const ALL: &str = r#"{"proxies":7,"confirmed":7,"connectionsCut":3,"milliseconds":42}"#;

    #[test]
    fn a_receipt_says_how_many_confirmed_what_was_cut_and_how_long_it_took() {
        let receipt = Receipt::read("west", "east", Some(ALL)).unwrap();
        assert!(receipt.is_complete());
        assert_eq!(
            receipt.text(),
            "east is no peer of west any more\n  proxies that confirmed   7/7\n  connections cut          3\n  time to zero             42 ms\n"
        );
        let json = serde_json::to_value(&receipt).unwrap();
        assert_eq!((&json["revoked"], &json["connectionsCut"]), (&"east".into(), &3.into()));
    }

    #[test]
    fn who_has_not_confirmed_is_not_hidden() {
        let receipt = Receipt::read("west", "east", Some(&ALL.replace("\"confirmed\":7", "\"confirmed\":5"))).unwrap();
        assert!(!receipt.is_complete());
        assert!(receipt.text().contains("5/7") && receipt.text().contains("2 didn't confirm in time"));
        let lost = Receipt::read("west", "east", None).unwrap();
        assert!(!lost.is_complete() && lost.text().contains("before its receipt"));
        assert!(Receipt::read("west", "east", Some("{}")).is_err());
    }
}
