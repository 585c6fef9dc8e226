# mremap-old-size-zero (01e67e04c281): a move of length zero invalidates through the mmu notifiers.
# The move fails at its first page table, so the move back has length zero, and invalidates an empty
# range.
mmap p0 0 1 rw
write p0 0
fail page-table 1
mremap p0 0 1 8 1 fixed
