# Two threads need the first anon_vma of an area at the same time: by a write and by a hole that goes to
# the device; the loser drops its own; and allocations fail there.
threads 3
preempt 5 t1
preempt 12 t2
mmap p0 0 4 rw
migrate p0 0 2 d0
t1: write p0 3
t2: write p0 2
mmap p0 8 4 rw
fail anon-vma 2
write p0 8
t1: write p0 9
t2: dev-write d0 p0 10
read p0 3
read p0 8
fork p0
