# mremap-wraparound (a4a282daf1a1): the second of two tables cannot be moved, and the first stays where it arrived.
mmap p0 0 4 rw
write p0 0
fail page-table 2
mremap p0 0 4 13 4 fixed
