# Two threads migrate the same range to different devices, and a third thread migrates the pages of
# a child. Each page goes to one device, and so does each zero page and each hole.
threads 3
preempt 10 t1
preempt 37 t2
mmap p0 0 6 rw
write p0 0
write p0 1
read p0 2
fork p0
migrate p0 0 6 d0
t1: migrate p0 0 6 d1
t2: migrate p1 0 6 d0
read p0 0
read p0 3
t1: migrate-back p0 0 6 d1
t2: migrate-back p0 0 6 d0
read p1 1
