# anon-vma-reuse-simple-only (d0e9fe1758f2): anon_vma_prepare shares a neighbour's anon_vma although
# the neighbour's chain has several links.
# p1's first VMA inherited a chain by fork; the new VMA beside it shares the anon_vma and has one
# link.
mmap p0 0 1 rw
write p0 0
fork p0
mmap p1 1 1 rw
write p1 1
