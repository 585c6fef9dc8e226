# mremap-link-after-move: another thread looks between the move and the link.
threads 2
preempt 4 t1
mmap p0 0 1 rw
write p0 0
mremap p0 0 1 8 1 fixed
t1: read p0 8
