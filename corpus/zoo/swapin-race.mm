# Thread 1 has found the folio when its slot is freed, and given to another page at the same address.
threads 2
preempt 6 t1
preempt 9 t0
mmap p0 0 1 rw
write p0 0
reclaim p0 0
dontneed p0 0 1
write p0 0
reclaim p0 0
t1: read p0 0
