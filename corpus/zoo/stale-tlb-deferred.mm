# stale-tlb-deferred (383c4613c67c): MADV_FREE drops what reclaim has cleared, another CPU writes a new page, and this one reads the old.
threads 3
preempt 18 t1
preempt 22 t2
preempt 24 t1
mmap p0 0 1 rw
write p0 0
fork p0
fork p0
fork p0
t1: read p0 0
reclaim p0 0
t1: lazyfree p0 0 1
t2: write p0 0
t1: read p0 0
