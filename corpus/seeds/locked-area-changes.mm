# An mlocked VMA becomes writable and grows. mlock and mprotect stop at a gap. A move from page 16
# fails, because nothing is mapped there.
mmap p0 0 2 r
mlock p0 0 2 on
mprotect p0 0 2 rw
write p0 1
mremap p0 0 2 0 4 stay
mremap p0 0 4 16 6 stay
mlock p0 24 4 on
mmap p0 24 1 rw
mlock p0 24 4 on
mprotect p0 24 4 r
mprotect p0 28 1 r
mremap p0 16 2 8 2 dontunmap
mlock p0 16 6 off
