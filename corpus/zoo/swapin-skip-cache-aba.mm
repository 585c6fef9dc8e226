# Thread 1 has read the slot when the page comes in, is written, and goes out to the same slot again.
threads 2
preempt 8 t1
preempt 11 t0
mmap p0 0 1 rw
write p0 0
reclaim p0 0
reclaim p0 0
write p0 0
reclaim p0 0
reclaim p0 0
t1: read p0 0
