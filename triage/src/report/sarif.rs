//! `report.sarif`: SARIF 2.1.0, a rule for each invariant and a result for each cluster.
//!
//! In SARIF messages, brackets make links and braces make placeholders, so they are escaped. The
//! address of a file has the bytes of the file's name, percent-encoded.

use super::contents::{Cluster, Report};
use crate::names;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The address of the schema, at its publisher.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json";

/// Renders the report.
pub fn render(report: &Report) -> String {
    let mut rules: BTreeMap<&str, &Cluster> = BTreeMap::new();
    for cluster in &report.clusters {
        rules.entry(rule_id(cluster)).or_insert(cluster);
    }
    let index = |id: &str| rules.keys().position(|other| *other == id);
    let results: Vec<Value> = report
        .clusters
        .iter()
        .map(|cluster| result(cluster, index(rule_id(cluster))))
        .collect();
    let rules: Vec<Value> = rules
        .iter()
        .map(|(id, cluster)| rule(id, cluster))
        .collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "mm-triage",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": !report.interrupted,
                "toolExecutionNotifications": notifications(report),
            }],
            "columnKind": "unicodeCodePoints",
            "properties": { "zoo": report.zoo, "files": report.files },
            "results": results,
        }],
    });
    // Strings and numbers always serialize.
    serde_json::to_string_pretty(&log).unwrap_or_default() + "\n"
}

/// The rule of a cluster: its invariant, or `panic` for every panic.
fn rule_id(cluster: &Cluster) -> &str {
    if cluster.panic {
        "panic"
    } else {
        &cluster.invariant
    }
}

fn rule(id: &str, cluster: &Cluster) -> Value {
    let text = cluster.rule.as_deref().unwrap_or(id).replace('`', "");
    json!({
        "id": id,
        "shortDescription": { "text": text },
        "defaultConfiguration": { "level": "error" },
    })
}

fn result(cluster: &Cluster, rule: Option<usize>) -> Value {
    let detail = cluster
        .explanation
        .as_ref()
        .and_then(|e| e.finding.as_ref());
    let detail = detail.map_or(&*cluster.signature, |cause| &cause.detail);
    let place = if cluster.is_in_a_function {
        format!("{}: ", cluster.place)
    } else {
        String::new()
    };
    let message = format!("{place}{detail}\nreplay: {}", cluster.replay);
    let related: Vec<Value> = cluster
        .examples
        .iter()
        .enumerate()
        .map(|(id, name)| {
            json!({ "id": id, "physicalLocation": { "artifactLocation": { "uri": uri(name) } } })
        })
        .collect();
    json!({
        "ruleId": rule_id(cluster),
        "ruleIndex": rule,
        "level": "error",
        "kind": "fail",
        "message": { "text": plain(&message) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": cluster.file },
            // Lines count from 1, and the first line of the file is the signature.
            "region": { "startLine": cluster.failed_line().unwrap_or(0) + 2 },
        }}],
        "relatedLocations": related,
        "occurrenceCount": cluster.files,
        "partialFingerprints": { "mmTriageCluster/v1": cluster.id },
        "baselineState": if cluster.new { "new" } else { "unchanged" },
        "properties": { "signature": cluster.signature, "race": cluster.race },
    })
}

fn notifications(report: &Report) -> Vec<Value> {
    let notification =
        |level: &str, text: String| json!({ "level": level, "message": { "text": plain(&text) } });
    let mut all = Vec::new();
    if report.interrupted {
        all.push(notification(
            "error",
            "interrupted: not all files were looked at".to_owned(),
        ));
    }
    all.extend(
        report
            .unusable_files
            .iter()
            .map(|why| notification("warning", why.clone())),
    );
    let more = report.unusable - report.unusable_files.len();
    if more > 0 {
        all.push(notification(
            "warning",
            format!("{more} more files are unusable"),
        ));
    }
    all
}

/// A message without links and placeholders.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' | '[' | ']' => out.extend(['\\', c]),
            '{' | '}' => out.extend([c, c]),
            c => out.push(c),
        }
    }
    out
}

/// A file name in the form of [`names::shown`], as a relative or absolute reference.
fn uri(name: &str) -> String {
    let bytes = names::bytes(name);
    let mut out = match bytes.first() {
        Some(b'/') => "file://".to_owned(),
        _ => String::new(),
    };
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_no_links_and_no_placeholders() {
        assert_eq!(plain(r"[a](b) {0} \"), r"\[a\](b) {{0}} \\");
    }

    #[test]
    fn file_names_are_their_bytes() {
        assert_eq!(uri("night/a b.mm"), "night/a%20b.mm");
        assert_eq!(uri("/night/é"), "file:///night/%C3%A9");
        assert_eq!(uri(r"a\nb\xff\\c"), "a%0Ab%FF%5Cc");
        assert_eq!(uri("javascript:x"), "javascript%3Ax");
    }
}
