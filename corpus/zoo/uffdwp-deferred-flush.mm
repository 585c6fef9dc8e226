# uffdwp-deferred-flush (6ce64428d620): a fault copies the page, and another CPU writes to the old one before it is replaced.
threads 4
preempt 5 t1
preempt 8 t2
preempt 11 t3
mmap p0 0 1 rw
uffd-register p0 0 1
t3: write p0 0
get p0 0 r
uffd-wp p0 0 1 on
t1: uffd-wp p0 0 1 off
t2: get p0 0 w
t3: write p0 0
