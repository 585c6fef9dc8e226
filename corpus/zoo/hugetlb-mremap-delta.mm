# hugetlb-mremap-delta (CVE-2026-98373): where the source has no table, only the source address
# advances (here at the lowest level).
# Pages 6 and 7 have no table, so page 8 arrives at page 20 instead of page 22.
mmap p0 6 4 rw
write p0 8
mremap p0 6 4 20 4 fixed
