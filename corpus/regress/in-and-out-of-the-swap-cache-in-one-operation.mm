# The second write swaps the page in and at once removes it from the swap cache. The page is dirty
# afterwards, although nothing was written to it.
mmap p0 0 1 rw
uffd-register p0 0 1
write p0 0
uffd-wp p0 0 1 on
reclaim p0 0
write p0 0
