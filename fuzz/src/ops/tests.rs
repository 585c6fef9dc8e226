//! Tests of the contracts.

use crate::oracle::PromisedOf;
use crate::program::{Addr, Program};
use crate::window::Window;
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
    for (op, page, expected) in [
        ("mmap p0 2 3 r", 4, all),
        ("mmap p0 2 3 r", 5, PromisedOf::NONE),
        ("munmap p0 2 3", 2, all),
        ("dontneed p0 2 3", 2, all),
        ("mprotect p0 2 3 none", 2, all),
        ("mprotect p0 2 3 r", 2, write),
        ("mprotect p0 2 3 rw", 2, PromisedOf::NONE),
        ("mremap p0 2 3 0 1 stay", 3, all),
        ("mremap p0 2 3 0 1 stay", 2, PromisedOf::NONE),
        ("mremap p0 2 3 0 8 stay", 4, PromisedOf::NONE),
        ("mremap p0 2 3 9 3 fixed", 2, all),
        ("mremap p0 2 3 9 3 fixed", 11, all),
        ("mremap p0 2 3 9 3 fixed", 5, PromisedOf::NONE),
        ("mremap p0 2 3 9 3 dontunmap", 2, all),
        ("lazyfree p0 2 3", 2, entry),
        ("uffd-wp p0 2 3 on", 2, write),
        ("uffd-wp p0 2 3 off", 2, PromisedOf::NONE),
        ("clear-soft-dirty p0", 2, write),
        ("fork p0", 2, write),
        ("pageout p0 2 3", 2, PromisedOf::NONE),
        ("read p0 2", 2, PromisedOf::NONE),
    ] {
        let program: Program = op.parse().expect("an operation");
        let op_of = program.ops[0].op;
        let window = Window::of(&program);
        let promise = (op_of.kind().contract().removes)(window, op_of, MmId(0));
        let at = window.addr(Addr::new(page));
        assert_eq!(
            PromisedOf::page(promise.as_ref(), MmId(0), at),
            expected,
            "{op}: {page}"
        );
        let other = PromisedOf::page(promise.as_ref(), MmId(1), at);
        assert_eq!(other, PromisedOf::NONE, "{op}");
    }
}
