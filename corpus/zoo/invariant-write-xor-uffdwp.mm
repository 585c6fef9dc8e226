# invariant-write-xor-uffdwp (design rule of copy_nonpresent_pte): a fault in a uffd-wp range makes
# the entry writable and leaves uffd-wp set.
# The page is write-protected through userfaultfd, and the write succeeds.
mmap p0 0 1 rw
write p0 0
uffd-register p0 0 1
uffd-wp p0 0 1 on
write p0 0
