# mremap-partial-at-zero (6.1.3): a VMA does not grow if the old range begins inside it.
# The second of two pages is to grow to two pages. mremap fails although there is room.
mmap p0 0 2 rw
mremap p0 1 1 0 2 stay
