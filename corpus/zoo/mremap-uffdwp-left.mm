# mremap-uffdwp-left (0cef0bb836e3): a write-protected page moves, and its registration stays behind.
mmap p0 0 1 rw
write p0 0
uffd-register p0 0 1
uffd-wp p0 0 1 on
mremap p0 0 1 8 1 fixed
