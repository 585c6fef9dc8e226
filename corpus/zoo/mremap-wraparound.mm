# mremap-wraparound (a4a282daf1a1): the second of two tables cannot be moved, and the first stays where it arrived.
mmap p0 0 4 rw
write p0 0
write p0 2
fail page-table 2
mremap p0 0 4 14 4 fixed
read p0 0
