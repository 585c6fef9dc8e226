# khugepaged-zero-pfn-nonpresent (mm/khugepaged: guard is_zero_pfn() calls with pte_present() (2026)):
# a non-present entry is mistaken for the zero page (here: a device-exclusive one in
# migrate_vma_collect).
# The migration removes the entry without uncounting its mapping.
mmap p0 0 1 rw
exclusive d0 p0 0 1
migrate p0 0 1 d0
