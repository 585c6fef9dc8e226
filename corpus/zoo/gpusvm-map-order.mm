# gpusvm-map-order (c50729c68aaf): the driver maps as many pages as the folio order says, beyond the
# requested range (here: always two pages).
# The device writes to page 0 and also maps page 1, which the CPU does not.
mmap p0 0 1 rw
dev-write d0 p0 0
