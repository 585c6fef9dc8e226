//! Every oracle fires: what no bug of the zoo shows is shown here, on a state made wrong by hand.
//!
//! A case runs operations on a kernel, all oracles find nothing, then one thing is changed by
//! [`mm_core::tamper`] and an oracle has to say so: the right one, before any other. The last test
//! compares the names of the invariants in the source of the oracles with those of the cases and
//! of the zoo's table (whose oracles `mm-triage zoo` makes fire).
#![cfg(feature = "zoo")]

mod at_rest;
mod cases;
mod entries;
mod lab;
mod locked;
mod notifier;

use cases::Case;
use lab::with_lab;
use mm_core::tamper::Leak;
use mm_core::{DevId, MmId};
use std::collections::BTreeSet;
use std::path::Path;

fn cases() -> impl Iterator<Item = &'static Case> {
    let cases = cases::CASES.iter().chain(locked::CASES);
    let cases = cases.chain(entries::CASES).chain(notifier::CASES);
    cases.chain(at_rest::CASES)
}

#[test]
fn every_case_is_reported_as_what_it_is() {
    for (i, (expected, case)) in cases().enumerate() {
        match with_lab(case) {
            Ok(()) => panic!("case {i}: {expected} did not fire"),
            Err(finding) => assert_eq!(finding.oracle(), *expected, "case {i}: {finding}"),
        }
    }
}

#[test]
fn each_kind_of_leak_is_named() {
    let kinds = [
        (Leak::Frame, "1 pages left"),
        (Leak::DeviceFrame(DevId(0)), "1 pages of device 0 left"),
        (Leak::DeviceFrame(DevId(1)), "1 pages of device 1 left"),
        (Leak::Mm, "1 address spaces left"),
        (Leak::Vma, "1 areas left"),
        (Leak::AnonVma, "1 anon_vmas left"),
        (Leak::Avc, "1 anon_vma_chains left"),
        (Leak::Table(MmId(0)), "1 page tables left"),
        (Leak::Slot, "1 swap slots left"),
    ];
    for (kind, text) in kinds {
        with_lab(|lab| {
            lab.write(0);
            lab.exit();
            lab.after_exit().expect("nothing is left");
            assert!(lab.tamper(|t| t.leak(kind)));
            let finding = lab.after_exit().expect_err(text);
            assert!(finding.detail.starts_with(text), "{finding}");
        });
    }
}

/// The invariants that a file of oracles names, one for each place that makes a finding.
fn named_in(source: &str) -> Vec<String> {
    let own = behind(source, "const FAMILY: Family = Family::").next();
    let own = own.and_then(|rest| rest.split(';').next());
    let mut names: Vec<String> = behind(source, "Family::")
        .filter_map(|rest| rest.split_once(','))
        .filter_map(|(variant, rest)| Some(family(variant) + quoted(rest)?))
        .collect();
    names.extend(behind(source, "FAMILY,").map(|rest| {
        let name = quoted(rest).expect("the invariant behind its family");
        family(own.expect("the family of the file")) + name
    }));
    names
}

/// What follows each occurrence of a word.
fn behind<'a>(source: &'a str, word: &str) -> impl Iterator<Item = &'a str> {
    source
        .match_indices(word)
        .map(|(i, word)| &source[i + word.len()..])
}

/// The string literal that a text starts with.
fn quoted(text: &str) -> Option<&str> {
    text.trim_start().strip_prefix('"')?.split('"').next()
}

/// `ReverseMap` as findings have it, with a slash.
fn family(variant: &str) -> String {
    let mut name = String::new();
    for c in variant.chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(c.to_lowercase());
    }
    name + "/"
}

#[test]
fn every_oracle_has_a_test_that_makes_it_fire() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/oracle");
    let mut named = BTreeSet::new();
    for file in std::fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        if !path.ends_with("mod.rs") {
            let source = std::fs::read_to_string(&path).unwrap();
            let names = named_in(&source);
            let calls = [".page_finding(", ".finding(", ".report("];
            let calls = calls.map(|call| source.matches(call).count());
            let file = path.display();
            assert_eq!(names.len(), calls.iter().sum(), "{file}: {names:?}");
            named.extend(names);
        }
    }
    let cases = cases().map(|(name, _)| *name);
    let zoo = mm_core::zoo::TABLE.iter().map(|entry| entry.oracle);
    let fired: BTreeSet<String> = cases.chain(zoo).map(str::to_owned).collect();
    assert_eq!(named, fired);
}
