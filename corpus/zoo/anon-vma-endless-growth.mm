# anon-vma-endless-growth (3fe89b3e2a7b): an anon_vma_clone that fails uncounts a VMA that it has
# not counted yet.
# munmap must split the VMA, and the first link for the new part cannot be allocated.
mmap p0 0 2 rw
write p0 0
fail avc 1
munmap p0 0 1
