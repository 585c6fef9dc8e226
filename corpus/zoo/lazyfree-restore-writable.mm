# The child's read-only mapping is restored as a writable one, for the page is held and cannot go.
mmap p0 0 1 rw
write p0 0
lazyfree p0 0 1
fork p0
get p0 0 r
reclaim p0 0
