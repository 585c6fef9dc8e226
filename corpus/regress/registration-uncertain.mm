# A munmap that ran out of memory, then a registration that stops at a gap: what is registered is not certain.
mmap p0 0 3 none
fail vma 4
mmap p0 1 1 none
munmap p0 0 1
uffd-register p0 0 4
mprotect p0 0 1 none
uffd-wp p0 0 1 off
