//! The bugs of the zoo that some kernels have. The judge switches them on in the model for these
//! kernels.

use std::ops::Range;

/// The first two numbers of a kernel's version.
pub type Version = (u32, u32);

/// Older than any known version.
pub const FIRST: Version = (0, 0);
/// Newer than any known version: the end of the range of a bug that is not fixed yet.
pub const OPEN: Version = (u32::MAX, 0);

/// Parses the first two numbers of a version such as 7.3.4.
pub fn version(name: &str) -> Option<Version> {
    let mut numbers = name.split(['.', '-']).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

/// A bug of the zoo that some kernels have.
#[derive(Debug)]
pub struct KnownBug {
    /// The bug's name in the zoo.
    pub name: &'static str,
    /// The kernels that have it.
    pub kernels: Range<Version>,
    /// How we know: a program or the judge, and on which kernel.
    #[allow(dead_code, reason = "only docs/linux.md shows it")]
    pub evidence: &'static str,
}

/// All known bugs.
pub const KNOWN_BUGS: &[KnownBug] = &[
    KnownBug {
        name: "zone-device-extra-ref",
        kernels: FIRST..OPEN,
        evidence: "migrate_vma_check_page allows a device page one reference too many, and freezing the count fails later: \
                   the judge, on 6.12.117 and 7.3.4",
    },
    KnownBug {
        name: "latent-munlock-nonpresent",
        kernels: FIRST..OPEN,
        evidence: "mlock_pte_range skips non-present entries: the judge, on 6.12.117; on 7.3.4, Mlocked of /proc/meminfo \
                   stays too high for good after mlock, a migration by /dev/hmm_dmirror, munlock and munmap",
    },
    KnownBug {
        name: "latent-softdirty-keeps-write",
        kernels: FIRST..OPEN,
        evidence: "clear_soft_dirty leaves a non-present entry writable: docs/found/soft-dirty-migration.c and \
                   soft-dirty-device-private.c, on 6.12.117, 7.2.13 and 7.3.4",
    },
    KnownBug {
        name: "latent-hole-untracked",
        kernels: FIRST..OPEN,
        evidence: "migrate_vma_insert_page installs an entry that is writable and not soft-dirty: shown on \
                   7.3.4 by the C program that `emit --c --stock` makes of its witness, and by the judge on 6.12.117",
    },
    KnownBug {
        name: "latent-zero-page-uffdwp-device",
        kernels: FIRST..OPEN,
        evidence: "migrate_vma_insert_page drops the uffd-wp bit of the zero page: docs/found/uffd-wp-zero-page.c, on 6.12.117, \
                   7.2.13 and 7.3.4",
    },
    KnownBug {
        name: "latent-mremap-uffd-neighbour",
        kernels: FIRST..(7, 3),
        evidence: "mremap_userfaultfd_prep ends the userfaultfd registration of the whole VMA that the copy merged into: the \
                   judge, on 6.12.117; 7.2.13 has the same code (read, not run); on 7.3.4 such a copy does not merge",
    },
    KnownBug {
        name: "latent-huge-zero-split-softdirty",
        kernels: FIRST..OPEN,
        evidence: "__split_huge_zero_page_pmd keeps only uffd-wp: docs/found/huge-zero-split-soft-dirty.c, on 6.12.117, \
                   7.2.13 and 7.3.4",
    },
    KnownBug {
        name: "latent-softdirty-readonly-pinned",
        kernels: FIRST..OPEN,
        evidence: "pte_is_pinned asks whether the entry is writable: docs/found/soft-dirty-pinned-protected.c, on 6.12.117, \
                   7.2.13 and 7.3.4",
    },
    KnownBug {
        name: "latent-softdirty-pmd-pinned",
        kernels: FIRST..OPEN,
        evidence: "clear_soft_dirty_pmd does not check for pins: docs/found/soft-dirty-pinned-huge.c, on 6.12.117, 7.2.13 and \
                   7.3.4",
    },
    KnownBug {
        name: "latent-huge-zero-unshare",
        kernels: (7, 2)..OPEN,
        evidence: "do_huge_zero_wp_pmd drops uffd-wp in an unshare fault: docs/found/uffd-wp-huge-zero-pin.c, on 7.2.13 \
                   and 7.3.4; 6.12.117 does not do that",
    },
    KnownBug {
        name: "latent-split-pmd-softdirty",
        kernels: FIRST..OPEN,
        evidence: "pte_mkdirty in __split_huge_pmd_locked sets soft-dirty: docs/found/split-soft-dirty.c, on 6.12.117, 7.2.13 and 7.3.4",
    },
    KnownBug {
        name: "latent-mprotect-batch-softdirty",
        kernels: (6, 17)..OPEN,
        evidence: "modify_prot_start_ptes sets dirty, and so soft-dirty, in a batch of entries: the judge, on 7.3.4, and \
                   docs/found/mthp-mprotect-soft-dirty.c, on 7.2.13 and 7.3.4; 6.12.117 does not do that",
    },
    KnownBug {
        name: "latent-restore-pmd-softdirty",
        kernels: FIRST..OPEN,
        evidence: "remove_migration_pmd calls pmd_mkdirty, which also sets soft-dirty: docs/found/move-huge-soft-dirty.c, on \
                   6.12.117, 7.2.13 and 7.3.4",
    },
    KnownBug {
        name: "latent-clear-softdirty-devpriv-pmd",
        kernels: (7, 1)..OPEN,
        evidence: "clear_soft_dirty_pmd skips a device-private entry: docs/found/clear-refs-device-huge.c, on 7.2.13 and 7.3.4",
    },
    KnownBug {
        name: "latent-move-softdirty-devpriv-pmd",
        kernels: (7, 1)..OPEN,
        evidence: "move_soft_dirty_pmd skips a device-private entry: docs/found/mremap-device-huge.c, on 7.2.13 and 7.3.4",
    },
    KnownBug {
        name: "latent-move-normal-pmd-softdirty",
        kernels: FIRST..OPEN,
        evidence: "move_normal_pmd moves a page table as a whole, and does not mark its entries soft-dirty: \
                   docs/found/mremap-soft-dirty.c, on 6.12.117, 7.2.13 and 7.3.4",
    },
    KnownBug {
        name: "latent-split-folio-lock",
        kernels: (7, 1)..OPEN,
        evidence: "migrate_vma_split_folio sleeps in folio_lock: the judge, on 7.3.4, shows that it waits; 7.2.13 has the same \
                   code, and 6.12.117 tries the lock (both read, not run)",
    },
    KnownBug {
        name: "latent-device-range-mid-folio",
        kernels: (7, 1)..OPEN,
        evidence: "migrate_device_range steps by the size of a whole folio: the judge, on 7.3.4",
    },
    KnownBug {
        name: "latent-partial-not-queued",
        kernels: FIRST..OPEN,
        evidence: "a migration restores the mappings of a part of a folio, and nobody queues the folio for a split: \
                   docs/found/device-partial-huge.c, on 7.3.4; in older kernels only read",
    },
    KnownBug {
        name: "excl-mapcount-dropped",
        kernels: FIRST..(6, 15),
        evidence: "6.15 changed the rules for device-exclusive entries: the judge, on 6.12.117",
    },
    KnownBug {
        name: "excl-writable-by-vma-flag",
        kernels: FIRST..(6, 15),
        evidence: "6.15 changed the rules for device-exclusive entries: the judge, on 6.12.117",
    },
    KnownBug {
        name: "excl-treated-as-migration",
        kernels: FIRST..(6, 15),
        evidence: "6.15 changed the rules for device-exclusive entries: the judge, on 6.12.117",
    },
];

/// The names of the bugs that a kernel has.
pub fn bugs_of(kernel: Version) -> impl Iterator<Item = &'static str> {
    let of_kernel = KNOWN_BUGS
        .iter()
        .filter(move |bug| bug.kernels.contains(&kernel));
    of_kernel.map(|bug| bug.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_is_switched_on_for_the_kernels_that_have_it() {
        let has = |name: &str, kernel: &str| {
            let kernel = version(kernel).expect("a version");
            bugs_of(kernel).any(|bug| bug == name)
        };
        for kernel in ["6.12.117", "7.2.13", "7.3.4", "7.4.0-rc1"] {
            assert!(has("latent-munlock-nonpresent", kernel), "{kernel}");
        }
        assert!(has("latent-mremap-uffd-neighbour", "7.2.13"));
        assert!(!has("latent-mremap-uffd-neighbour", "7.3.4"));
        assert!(has("excl-treated-as-migration", "6.12.117"));
        assert!(!has("excl-treated-as-migration", "6.15.0"));
    }

    #[cfg(feature = "zoo")]
    #[test]
    #[cfg(feature = "zoo")]
    fn all_are_in_the_zoo_and_some_kernel_has_each() {
        for bug in KNOWN_BUGS {
            assert!(
                mm_fuzz::zoo::TABLE
                    .iter()
                    .any(|entry| entry.slug == bug.name),
                "{}",
                bug.name
            );
            assert!(!bug.kernels.is_empty(), "{}", bug.name);
        }
    }

    #[test]
    fn versions_are_read_as_kernels_write_them() {
        assert_eq!(version("7.0.0-rc6"), Some((7, 0)));
        assert_eq!(version("6.12-oracle"), Some((6, 12)));
        assert_eq!(version("next"), None);
    }
}
