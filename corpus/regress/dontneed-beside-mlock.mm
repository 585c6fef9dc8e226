# Reference model: while mlock faults the pages in the area is locked already, so advice is refused.
geometry x86-64
threads 2
preempt 24 t1
t1: mmap p0 12 8 rw
write p0 16
fork p0
mlock p0 12 8 on
t1: dontneed p0 16 1
read p0 16
