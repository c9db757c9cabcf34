//! How far a rotation is, read off the lines by which the controller tells it.

use std::time::Duration;

use anyhow::bail;
use serde::Serialize;

const STEADY: &str = "Steady: root ";

/// Follows one rotation, from a steady root to another.
#[derive(Debug)]
pub(super) struct Follow {
    before: String,
    after: Option<String>,
    steps: Vec<Seen>,
}

/// What was told, and when it was first seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Seen {
    pub(super) seconds: f64,
    pub(super) line: String,
}

impl Follow {
    /// From what is told before anything is asked for.
    pub(super) fn from(line: Option<&str>) -> anyhow::Result<Self> {
        match line {
            Some(line) => match line.strip_prefix(STEADY) {
                Some(root) => Ok(Self { before: root.to_owned(), after: None, steps: Vec::new() }),
                None => {
                    bail!("a rotation is under way already: {line}; `isthmus federation status` shows how far it is")
                }
            },
            None => bail!("the controller hasn't said yet which root is in use; try again when it is ready"),
        }
    }

    /// Takes what is told now; gives it back if it is new.
    pub(super) fn see(&mut self, line: Option<&str>, at: Duration) -> Option<Seen> {
        let line = line?;
        let known = self.steps.last().map_or_else(|| format!("{STEADY}{}", self.before), |seen| seen.line.clone());
        if line == known {
            return None;
        }
        self.after = line.strip_prefix(STEADY).map(str::to_owned);
        let seen = Seen { seconds: at.as_secs_f64(), line: line.to_owned() };
        self.steps.push(seen.clone());
        Some(seen)
    }

    pub(super) fn has_begun(&self) -> bool {
        !self.steps.is_empty()
    }

    /// The roots before and after, once the latter is alone.
    pub(super) fn done(&self) -> Option<(String, String)> {
        Some((self.before.clone(), self.after.clone()?))
    }

    pub(super) fn steps(self) -> Vec<Seen> {
        self.steps
    }

    pub(super) fn last(&self) -> &str {
        self.steps.last().map_or("it hasn't begun", |seen| &seen.line)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_rotation_is_followed_from_one_steady_root_to_the_next() {
        let mut follow = Follow::from(Some("Steady: root 0a")).unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(follow.see(Some("Steady: root 0a"), second), None);
        assert!(!follow.has_begun() && follow.done().is_none());
        let lines = [
            "Publishing root 0b: TrustPropagated 6/7; waiting for: 1 connected, shop/web-1 among them",
            "Publishing root 0b: TrustPropagated 7/7",
            "Turning to root 0b: LeavesTurned 7/7",
        ];
        for line in lines {
            assert_eq!(follow.see(Some(line), second).unwrap().line, line);
            assert_eq!(follow.see(Some(line), second * 2), None, "told once");
            assert!(follow.done().is_none());
            assert_eq!(follow.last(), line);
        }
        follow.see(Some("Steady: root 0b"), second * 3).unwrap();
        assert_eq!(follow.done().unwrap(), ("0a".to_owned(), "0b".to_owned()));
        assert_eq!(follow.steps().len(), 4);
    }

    #[test]
    fn one_rotation_at_a_time_and_none_without_a_root() {
        let busy = Follow::from(Some("Turning to root 0b: LeavesTurned 1/7")).unwrap_err().to_string();
        assert!(busy.contains("under way already"), "{busy}");
        assert!(Follow::from(None).is_err());
    }
}
