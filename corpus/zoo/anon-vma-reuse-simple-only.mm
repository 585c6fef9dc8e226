# anon-vma-reuse-simple-only (d0e9fe1758f2): anon_vma_prepare shares a neighbour's anon_vma whose chain has more than one link.
mmap p0 0 1 rw
write p0 0
fork p0
mmap p1 1 1 rw
write p1 1
