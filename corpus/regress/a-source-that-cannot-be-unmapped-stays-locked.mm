# A source VMA that could not be unmapped stays mlocked. The reference model expected the mlock to
# end.
mmap p0 0 2 r
mlock p0 0 2 on
fail vma 2
mremap p0 1 1 0 1 fixed
mprotect p0 1 1 none
