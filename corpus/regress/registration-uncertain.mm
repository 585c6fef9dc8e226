# A munmap may have run out of memory, and a registration then stops at a gap. The reference model
# cannot tell which pages are registered.
mmap p0 0 3 none
fail vma 4
mmap p0 1 1 none
munmap p0 0 1
uffd-register p0 0 4
mprotect p0 0 1 none
uffd-wp p0 0 1 off
