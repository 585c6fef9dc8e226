# The soft-dirty bit migrates with its page, whether set (page 0) or clear (page 1): to the device,
# and back by a fault, by the driver and by eviction. A later write sets the bit again.
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
clear-soft-dirty p0 # on device-private entries
fork p0
write p0 0
read p1 0
mprotect p0 0 2 r
mprotect p0 0 2 rw
write p0 1
