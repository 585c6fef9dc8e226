# Found by fuzzing: reclaim is the last user of an address space, and takes it apart: no page is taken from a locked area then.
threads 2
preempt 6 t1
preempt 7 t0
mmap p0 0 1 rw
exclusive d0 p0 0 1
mlock p0 0 1 on
exit p0
t1: reclaim p0 0
