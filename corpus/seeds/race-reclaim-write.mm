# A page is written again while it is being written to its slot.
threads 2
preempt 6 t1
mmap p0 0 1 rw
write p0 0
reclaim p0 0
t1: write p0 0
read p0 0
