# An eviction races with a CPU fault of one process, a fork of another and a migration back of a
# third, all on the same device pages.
threads 4
preempt 50 t1
preempt 54 t2
preempt 62 t3
preempt 115 t2
mmap p0 0 4 rw
write p0 0
write p0 1
write p0 2
migrate p0 0 3 d0
fork p0
fork p0
evict d0 0 32
t1: read p0 0
t2: fork p1
t3: migrate-back p2 1 2 d0
migrate p0 0 3 d1
t1: write p1 0
t2: evict d1 0 32
t3: read p2 2
read p0 0
read p0 2
