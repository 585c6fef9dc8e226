# A child forks while its parent's migration of the shared pages is between setup and finalize, and
# while a CPU fault brings one of them back. The rmap walk finds the grandchild's entries.
threads 2
preempt 22 t1
preempt 52 t1
preempt 83 t1
mmap p0 0 4 rw
write p0 0
write p0 1
fork p0
migrate p0 0 4 d0
t1: fork p1
read p0 0
t1: fork p1
migrate-back p0 0 4 d0
t1: fork p2
t1: write p3 0
read p0 0
read p2 1
t1: read p4 1
