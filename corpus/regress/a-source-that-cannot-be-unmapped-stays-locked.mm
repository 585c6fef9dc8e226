# The reference model took a source that could not be unmapped for one that is not locked any more.
mmap p0 0 2 r
mlock p0 0 2 on
fail vma 2
mremap p0 1 1 0 1 fixed
mprotect p0 1 1 none
