# hugetlb-mremap-delta (CVE-2026-98373): mremap skips a source range without a table but does not
# advance the destination, so later entries go to wrong addresses (here at the lowest level).
# Pages 6 and 7 have no table, so page 8 arrives at page 20 instead of page 22.
mmap p0 6 4 rw
write p0 8
mremap p0 6 4 20 4 fixed
