# gpusvm-map-order (c50729c68aaf): the device maps a page more than it asked for.
mmap p0 0 1 rw
dev-write d0 p0 0
