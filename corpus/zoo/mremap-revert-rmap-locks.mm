# mremap-revert-rmap-locks (order rule of move_vma): a failed move is undone without the anon_vma
# lock, although a walk visits the original VMA before its copy.
# t1's move fails at its second page table. The walk of t0, which restores migration entries, has
# already passed the source when the entry moves back there.
threads 2
preempt 17 t0
preempt 20 t1
mmap p0 0 4 rw
write p0 0
write p0 2
fork p0
setup p1 0 1 d0 to-dev
pages m0 skip=0x01
fail page-table 2
t1: mremap p0 0 4 14 4 fixed
finalize m0
