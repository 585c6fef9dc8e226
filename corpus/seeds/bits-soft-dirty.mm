# The soft-dirty bit goes with a page: set (page 0) and clear (page 1), to the device and back by fault, by
# the driver and by eviction; a write after that sets it again.
mmap p0 0 4 rw
write p0 0
write p0 1
clear-soft-dirty p0
write p0 0
migrate p0 0 2 d0
read p0 0
read p0 1
migrate p0 0 2 d0
migrate-back p0 0 2 d0
migrate p0 0 2 d1
evict d1 0 32
clear-soft-dirty p0
migrate p0 0 2 d0
clear-soft-dirty p0 # on device entries
fork p0
write p0 0
read p1 0
mprotect p0 0 2 r
mprotect p0 0 2 rw
write p0 1
