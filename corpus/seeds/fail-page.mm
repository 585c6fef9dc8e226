# The allocation of a system page fails: for the first write, for copy-on-write, for the copy that a
# fork makes of a pinned page, and for the unsharing before a pin. It also fails on the way back
# from the device: by a fault, by the driver, by eviction, through the other device and by get.
mmap p0 0 4 rw
fail page 1
write p0 0
write p0 0
write p0 1
fork p0
fail page 1
write p1 0
fail page 1
pin p0 0 r
pin p0 1 w
fail page 1
fork p0 # fails half way
migrate p0 0 4 d0
fail page 1
read p0 0
fail page 2
migrate-back p0 0 4 d0
fail page 1
dev-write d1 p0 3
fail page 1
get p0 3 w
migrate p0 2 1 d0
fail page 2
evict d0 0 32
read p0 0
read p1 1
read p0 1
read p0 2
read p0 3
put r0
