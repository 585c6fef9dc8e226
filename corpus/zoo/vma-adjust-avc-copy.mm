# vma-adjust-avc-copy (merge 64a8920fab96): an area without pages grows over one that has a page.
mmap p0 0 1 rw
mmap p0 1 1 r
uffd-register p0 1 1
mprotect p0 1 1 rw
write p0 1
uffd-unregister p0 1 1
