# mlock reads the page in and frees its swap slot. On 6.12 an LRU batch holds a reference then, so
# the page does not become exclusive. Nor does it on newer kernels: they check for references before
# they free the slot, when the swap cache still holds one. The judge found this.
mmap p0 2 1 rw
exclusive d0 p0 2 1
fork p0
exit p0
reclaim p0 2
mprotect p0 2 1 r
mlock p0 2 1 on
