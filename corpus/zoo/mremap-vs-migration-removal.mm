# mremap-vs-migration-removal (486cf46f3f9b): a walk looks at the copy of a VMA before the original,
# and no lock covers the move of an entry.
# The walk of t0, which restores migration entries, has passed the copy when t1 moves the entry
# there.
threads 2
preempt 16 t0
preempt 19 t1
mmap p0 0 1 rw
write p0 0
fork p0
setup p1 0 1 d0 to-dev
pages m0 skip=0x01
t1: mremap p0 0 1 8 1 fixed
finalize m0
