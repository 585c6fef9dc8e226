# A parent and its child, on a thread each, touch the device page that they share, and one of them
# writes. The page comes back for both, and then the write copies it.
geometry x86-64
threads 2
preempt 46 t1
preempt 54 t1
mmap p0 14 4 rw
write p0 15
write p0 16
fork p0
migrate p0 14 4 d0
read p0 15
t1: write p1 15
write p0 16
t1: write p1 16
read p0 15
t1: read p1 16
