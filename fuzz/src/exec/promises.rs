//! What each operation promises, if it ends well.

use super::ops::{Bench, access_flags};
use crate::oracle::Promise;
use crate::program::{How, OnOff, Op};
use mm_core::{MmId, VmFlags};

impl Bench<'_> {
    /// What an operation on the address space `mm` promises.
    pub fn promise(&self, op: &Op, mm: MmId) -> Option<Promise> {
        Some(match *op {
            Op::Mmap { addr, len, .. }
            | Op::Munmap { addr, len, .. }
            | Op::Dontneed { addr, len, .. } => Promise::pages(mm, self.range(addr, len)),
            Op::Mprotect {
                addr, len, prot, ..
            } => {
                let (range, access) = (self.range(addr, len), access_flags(prot));
                match (
                    access.contains(VmFlags::READ),
                    access.contains(VmFlags::WRITE),
                ) {
                    (false, _) => Promise::pages(mm, range),
                    (true, false) => Promise::writes(mm, range),
                    (true, true) => return None,
                }
            }
            Op::Mremap {
                addr,
                len,
                to,
                newlen,
                how,
                ..
            } => {
                let old = self.range(addr, len);
                match how {
                    How::Stay => {
                        let end = self.range(addr, newlen).end;
                        Promise::pages(mm, end.min(old.end)..old.end)
                    }
                    How::Fixed | How::Dontunmap => {
                        Promise::pages(mm, old).and(self.range(to, newlen))
                    }
                }
            }
            Op::Lazyfree { addr, len, .. } => Promise::entries(mm, self.range(addr, len)),
            Op::UffdWp {
                addr,
                len,
                switch: OnOff::On,
                ..
            } => Promise::writes(mm, self.range(addr, len)),
            Op::ClearSoftDirty { .. } | Op::Fork { .. } => Promise::writes(mm, 0..u64::MAX),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::world::World;
    use crate::oracle::PromisedOf;
    use mm_core::{Dmirror, Geometry, Kernel};
    use std::cell::RefCell;

    #[test]
    fn each_operation_promises_what_it_takes() {
        let geometry = Geometry::TINY;
        let kernel = Kernel::new(geometry, Box::new(Dmirror::new(geometry.device_frames)));
        let bench = Bench {
            kernel: &kernel,
            world: RefCell::new(World::default()),
            base: 100,
            alone: true,
        };
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
            let promise = bench.promise(&program.ops[0].op, MmId(0));
            assert_eq!(
                PromisedOf::page(promise.as_ref(), MmId(0), at),
                expected,
                "{op}: {at}"
            );
            let other = PromisedOf::page(promise.as_ref(), MmId(1), at);
            assert_eq!(other, PromisedOf::NONE, "{op}");
        }
    }
}
