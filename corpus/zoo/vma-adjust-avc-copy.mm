# vma-adjust-avc-copy (merge 64a8920fab96): a VMA that grows over part of its neighbour does not get
# the neighbour's anon_vmas.
# The first VMA has no pages. Once page 1 is no longer registered, the first VMA grows over page 1.
mmap p0 0 1 rw
mmap p0 1 1 r
uffd-register p0 1 1
mprotect p0 1 1 rw
write p0 1
uffd-unregister p0 1 1
