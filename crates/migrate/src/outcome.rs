//! What comes of a translation: objects, and what their reader must know.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    fields::Blame,
    input::{Document, title},
    origin::Reading,
};

/// How much a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Extent {
    /// All is translated; it is worth knowing.
    Note,
    /// The object is printed without this.
    Part,
    /// The object isn't printed.
    Object,
}

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How much of the object is left out.
    pub left_out: Extent,
    /// `Kind namespace/name`.
    pub object: String,
    /// Where it stood: `mesh.yaml#2`.
    pub source: String,
    /// The field, by its path; empty for the whole object.
    pub field: String,
    /// Why it has no translation, or what differs.
    pub why: String,
    /// What to do about it.
    #[serde(rename = "do")]
    pub remedy: String,
}

/// What comes of a translation.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// How SMI objects were read.
    pub reading: Reading,
    /// The objects, ready to be applied.
    #[serde(skip)]
    pub objects: Vec<Value>,
    /// What to know of them, and of what isn't among them.
    pub findings: Vec<Finding>,
    /// Objects that no mesh is spoken of in: they stay as they are.
    pub unchanged: Vec<String>,
}

impl Outcome {
    /// Is anything left out?
    pub fn is_whole(&self) -> bool {
        self.findings.iter().all(|finding| finding.left_out == Extent::Note)
    }

    pub(crate) fn tell(&mut self, document: &Document, left_out: Extent, blame: Blame) {
        let Blame { field, why, remedy } = blame;
        let (object, source) = (document.title(), document.source.clone());
        self.findings.push(Finding { left_out, object, source, field, why, remedy });
    }

    pub(crate) fn note(&mut self, document: &Document, field: impl Into<String>, why: &str, remedy: &str) {
        self.tell(document, Extent::Note, Blame::new(field, why, remedy));
    }

    pub(crate) fn part(&mut self, document: &Document, field: impl Into<String>, why: &str, remedy: &str) {
        self.tell(document, Extent::Part, Blame::new(field, why, remedy));
    }

    /// Adds an object, unless there is one of its name already.
    pub(crate) fn add(&mut self, document: &Document, object: Value) {
        let same = |key: &str, other: &Value| object.pointer(key) == other.pointer(key);
        let taken = |other: &&Value| {
            ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"].iter().all(|key| same(key, other))
        };
        match self.objects.iter().find(taken) {
            None => self.objects.push(object),
            Some(other) if *other == object => {
                self.note(document, "", "it stands in the input twice", "nothing: it is printed once");
            }
            Some(_) => {
                let why = format!("another object became {}, with other content", title(&object));
                let blame = Blame::new("metadata.name", why, "rename one of the two, or translate them apart");
                self.tell(document, Extent::Object, blame);
            }
        }
    }
}

/// Findings for people, the gravest first.
impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.left_out));
        for Finding { left_out, object, source, field, why, remedy } in findings {
            let extent = match left_out {
                Extent::Object => "not printed",
                Extent::Part => "left out",
                Extent::Note => "note",
            };
            let field = if field.is_empty() { String::new() } else { format!(" {field}") };
            let source = if source.is_empty() { String::new() } else { format!(" ({source})") };
            writeln!(f, "{extent}: {object}{field}{source}\n  {why}\n  do: {remedy}")?;
        }
        let count = |extent| self.findings.iter().filter(|finding| finding.left_out == extent).count();
        write!(f, "{} printed, ", number(self.objects.len(), "object"))?;
        write!(f, "{} not printed, ", count(Extent::Object))?;
        write!(f, "{} left out, {}", number(count(Extent::Part), "part"), number(count(Extent::Note), "note"))?;
        if !self.unchanged.is_empty() {
            write!(f, "; {} passed over", number(self.unchanged.len(), "object"))?;
        }
        writeln!(f)
    }
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Objects as YAML, each behind the comments that belong to it.
pub fn yaml<'a>(
    objects: impl IntoIterator<Item = (&'a Value, &'a [String])>,
) -> Result<String, serde_saphyr::ser::Error> {
    let mut text = String::new();
    for (object, comments) in objects {
        text += "---\n";
        for comment in comments {
            let _ = writeln!(text, "# {}", comment.replace(['\n', '\r'], " "));
        }
        text += &serde_saphyr::to_string(object)?;
    }
    Ok(text)
}

/// Objects as JSON: one list, as kubectl applies it.
pub fn list(objects: &[Value]) -> Value {
    json!({ "apiVersion": "v1", "kind": "List", "items": objects })
}
