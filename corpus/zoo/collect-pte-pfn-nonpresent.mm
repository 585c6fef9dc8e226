# collect-pte-pfn-nonpresent (63867c82d0c0): migrate_vma_collect tests a device-private entry for
# dirty as if the entry were present.
# The page was never written, and comes back from the device dirty.
mmap p0 0 1 rw
migrate p0 0 1 d0
migrate-back p0 0 1 d0
