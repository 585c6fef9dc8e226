# A locked area is populated when it has grown, and written to before the call ends: the reference model forgot the write.
threads 2
preempt 7 t0
mmap p0 1 2 rw
mlock p0 1 2 on
t1: mremap p0 2 1 0 2 stay
write p0 3
