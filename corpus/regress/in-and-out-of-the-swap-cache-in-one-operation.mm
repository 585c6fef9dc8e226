# The second write swaps the page in, removes it from the swap cache, and ends in userfaultfd, since
# the page is write-protected. The page is dirty afterwards, although the write did not take place.
mmap p0 0 1 rw
uffd-register p0 0 1
write p0 0
uffd-wp p0 0 1 on
reclaim p0 0
write p0 0
