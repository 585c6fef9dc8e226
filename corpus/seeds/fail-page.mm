# No system page: for the first write, for a copy-on-write, for the copy that a fork makes of a pinned
# page, and for the way home from the device, by fault, by driver and by eviction.
mmap p0 0 4 rw
fail page 1
write p0 0
write p0 0
write p0 1
fork p0
fail page 1
write p1 0
pin p0 1 w
fail page 1
fork p0 # fails half-way
migrate p0 0 4 d0
fail page 1
read p0 0
fail page 1
migrate-back p0 0 4 d0
fail page 1
evict d0 0 32
fail page 1
dev-write d1 p0 3
fail page 1
get p0 3 w
read p0 0
read p1 1
read p0 1
put r0
