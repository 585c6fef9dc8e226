# vma-adjust-no-lock (lock rule of vma_prepare): a VMA is split without the anon_vma lock, so a walk
# under way loses its place.
# t0's walk, which restores migration entries, is between the parent's VMA and the child's. t1
# splits the parent's VMA and moves it behind the child's in the tree, so the walk misses the child.
threads 2
preempt 15 t1
mmap p0 0 4 rw
write p0 3
fork p0
setup p1 3 1 d0 to-dev
pages m0 skip=0x01
finalize m0
t1: munmap p0 0 1
