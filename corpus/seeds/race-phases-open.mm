# Two threads, one after the other, hold a migration open. Meanwhile other threads read, fork and
# change protection. mprotect needs mmap_lock for writing, so it waits for the end of the migration.
threads 3
preempt 12 t1
preempt 23 t2
preempt 68 t2
mmap p0 0 8 rw
write p0 0
write p0 1
fork p0
setup p0 0 4 d0 to-dev
t1: read p1 0
t2: mprotect p0 0 2 r
pages m0
t2: read p0 1
finalize m0
t1: setup p1 0 2 d0 to-sys
t2: fork p0
read p0 0
t1: pages m0
t1: finalize m0
read p2 1
