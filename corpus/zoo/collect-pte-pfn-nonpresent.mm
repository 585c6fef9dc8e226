# collect-pte-pfn-nonpresent (63867c82d0c0): migrate_vma_collect asks a device-private entry whether it is dirty, as if it were present.
mmap p0 0 1 rw
migrate p0 0 1 d0
migrate-back p0 0 1 d0
