# Two threads fault on the same swap slot. The second waits for the folio lock without mmap_lock.
threads 2
preempt 8 t1
mmap p0 0 1 rw
write p0 0
reclaim p0 0
read p0 0
t1: write p0 0
