# mremap-wraparound (a4a282daf1a1): a move that fails half way moves nothing back.
# The second page table cannot be allocated. The page that was moved before that is lost.
mmap p0 0 4 rw
write p0 0
fail page-table 2
mremap p0 0 4 13 4 fixed
