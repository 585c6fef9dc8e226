# invariant-write-xor-uffdwp (design rule of copy_nonpresent_pte): a fault in a write-protected range gives write permission and leaves the protection in place.
mmap p0 0 1 rw
write p0 0
uffd-register p0 0 1
uffd-wp p0 0 1 on
write p0 0
