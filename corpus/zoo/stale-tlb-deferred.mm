# stale-tlb-deferred (383c4613c67c): MADV_FREE drops what reclaim has cleared, and a CPU still reads by what it remembers: others will get a new page.
threads 2
preempt 14 t1
mmap p0 0 1 rw
write p0 0
fork p0
fork p0
read p0 0
reclaim p0 0
t1: lazyfree p0 0 1
