# After the first mremap, which fails, the reference model does not know whether page 3 is mapped.
# So it does not know whether the second mremap replaces page 1, which is write-protected. It took
# the page for a new one without protection.
mmap p0 0 2 rw
uffd-register p0 1 1
write p0 1
uffd-wp p0 1 1 on
mremap p0 0 2 2 2 fixed
mremap p0 2 2 0 2 fixed
mprotect p0 1 1 none
