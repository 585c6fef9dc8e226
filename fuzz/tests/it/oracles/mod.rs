//! Every oracle fires. If no bug of the zoo makes an oracle fire, a case of this test does, on a
//! state corrupted by hand.
//!
//! A case runs operations on a kernel, and no oracle objects. Then [`mm_core::tamper`] changes one
//! thing, and the right oracle must report it before any other does. The last test checks that each
//! invariant of the table has a case, or a bug in the zoo's table. (`mm-triage zoo` checks that
//! each bug makes its oracle fire.)
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
        (Leak::Vma, "1 VMAs left"),
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

#[test]
fn every_oracle_has_a_test_that_makes_it_fire() {
    let rows = mm_fuzz::invariant::TABLE.iter();
    let named: BTreeSet<String> = rows.map(|row| row.invariant.to_string()).collect();
    let cases = cases().map(|(name, _)| *name);
    let zoo = mm_fuzz::zoo::TABLE.iter().map(|entry| entry.oracle);
    let fired: BTreeSet<String> = cases.chain(zoo).map(str::to_owned).collect();
    assert_eq!(named, fired);
}
