# anon-vma-clone-order (merge 64a8920fab96): anon_vma_clone reverses the order of the chain.
# munmap splits the VMA of the child, and the clone for the new part puts the child's own anon_vma
# in front of its parent's.
mmap p0 0 2 rw
write p0 0
fork p0
munmap p1 0 1
