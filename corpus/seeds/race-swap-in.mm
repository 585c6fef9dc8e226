# Two threads fault on the same slot; the second waits for the folio without mmap_lock.
threads 2
preempt 8 t1
mmap p0 0 1 rw
write p0 0
reclaim p0 0
read p0 0
t1: write p0 0
