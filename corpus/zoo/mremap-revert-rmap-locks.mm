# mremap-revert-rmap-locks: a move that failed goes back, after a walk has looked at the source.
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
