//! Tests of the contracts.

use crate::contract::Base;
use crate::oracle::PromisedOf;
use mm_core::MmId;

#[test]
fn each_operation_promises_what_it_takes() {
    let all = PromisedOf::ALL;
    let write = PromisedOf {
        write: true,
        ..PromisedOf::NONE
    };
    let entry = PromisedOf {
        entry: true,
        ..PromisedOf::NONE
    };
    for (op, at, expected) in [
        ("mmap p0 2 3 r", 104, all),
        ("mmap p0 2 3 r", 105, PromisedOf::NONE),
        ("munmap p0 2 3", 102, all),
        ("dontneed p0 2 3", 102, all),
        ("mprotect p0 2 3 none", 102, all),
        ("mprotect p0 2 3 r", 102, write),
        ("mprotect p0 2 3 rw", 102, PromisedOf::NONE),
        ("mremap p0 2 3 0 1 stay", 103, all),
        ("mremap p0 2 3 0 1 stay", 102, PromisedOf::NONE),
        ("mremap p0 2 3 0 8 stay", 104, PromisedOf::NONE),
        ("mremap p0 2 3 9 3 fixed", 102, all),
        ("mremap p0 2 3 9 3 fixed", 111, all),
        ("mremap p0 2 3 9 3 fixed", 105, PromisedOf::NONE),
        ("mremap p0 2 3 9 3 dontunmap", 102, all),
        ("lazyfree p0 2 3", 102, entry),
        ("uffd-wp p0 2 3 on", 102, write),
        ("uffd-wp p0 2 3 off", 102, PromisedOf::NONE),
        ("clear-soft-dirty p0", 102, write),
        ("fork p0", 102, write),
        ("pageout p0 2 3", 102, PromisedOf::NONE),
        ("read p0 2", 102, PromisedOf::NONE),
    ] {
        let program: crate::program::Program = op.parse().expect("an operation");
        let op_of = program.ops[0].op;
        let promise = (op_of.kind().contract().removes)(Base(100), op_of, MmId(0));
        assert_eq!(
            PromisedOf::page(promise.as_ref(), MmId(0), at),
            expected,
            "{op}: {at}"
        );
        let other = PromisedOf::page(promise.as_ref(), MmId(1), at);
        assert_eq!(other, PromisedOf::NONE, "{op}");
    }
}
