# hugetlb-mremap-delta (CVE-2026-98373): the first part of the range has no table.
mmap p0 6 4 rw
write p0 8
mremap p0 6 4 20 4 fixed
