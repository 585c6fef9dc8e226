# mremap-old-size-zero (01e67e04c281): a move fails at its first table, and nothing is moved back.
mmap p0 0 1 rw
write p0 0
fail page-table 1
mremap p0 0 1 8 1 fixed
