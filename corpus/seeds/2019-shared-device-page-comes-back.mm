# The second worry of the 2019 thread: a device page that several processes map comes back, by the
# fault of one of them (page 0), by the driver (page 1) and by eviction (the rest); all find the same
# data, and a write after that is private.
mmap p0 0 4 rw
write p0 0
write p0 1
write p0 2
write p0 3
migrate p0 0 4 d0
fork p0
fork p1
fork p0
read p1 0
migrate-back p2 1 1 d0
evict d0 0 32
read p0 0
read p3 0
read p2 1
read p0 1
read p3 2
write p1 2
read p2 2
read p0 3
write p0 3
read p2 3
exit p0
write p2 3
read p3 3
