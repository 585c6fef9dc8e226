# mprotect-vs-batched-unmap (3ea277194daa): mprotect finds the entry cleared by reclaim, and returns while a CPU still reads by what it remembers.
threads 2
preempt 14 t1
mmap p0 0 1 rw
write p0 0
fork p0
fork p0
read p0 0
reclaim p0 0
t1: mprotect p0 0 1 none
