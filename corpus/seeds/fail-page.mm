# The allocation of a system page fails: for the first write, for copy-on-write by a write and by a
# pin, for the copy that a fork makes of a pinned page, and for a page of a range that the driver
# migrates back. A fault is retried. The pin and the fork fail. The other failures do not strike:
# the read, the dev-write and the get after them allocate no page, and the eviction allocates only
# one.
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
fork p0 # fails at the copy of the pinned page
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
