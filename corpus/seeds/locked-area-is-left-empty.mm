# An mlocked VMA moves away by MREMAP_DONTUNMAP. The empty VMA that stays is not mlocked.
mmap p0 0 4 rw
mlock p0 0 4 on
write p0 1
mremap p0 0 4 8 4 dontunmap
read p0 0
read p0 9
mremap p0 9 2 16 2 dontunmap
fail vma 1
mremap p0 10 1 20 1 dontunmap
