# mremap-partial-at-zero (6.1.3): the upper half of an area is to grow.
mmap p0 0 2 rw
mremap p0 1 1 0 2 stay
