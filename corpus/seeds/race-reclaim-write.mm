# A thread writes to a page while reclaim writes the page to its swap slot.
threads 2
preempt 6 t1
mmap p0 0 1 rw
write p0 0
reclaim p0 0
t1: write p0 0
read p0 0
