# Two threads fault in the same range at the same time. One thread maps a huge page; the other sees
# that huge page, or a small page of its own. Then one thread splits the huge page that the other
# thread writes to.
thp always
threads 2
preempt 2 t1
preempt 9 t0
preempt 14 t1
preempt 22 t0
mmap p0 0 16 rw
write p0 1
t1: write p0 2
write p0 8
t1: munmap p0 12 2
t1: migrate p0 0 8 d0
write p0 3
t1: fork p0
reclaim p0 4
t1: write p0 6
