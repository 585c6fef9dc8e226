# The allocation of a device page fails: for the only page of a migration, for one in the middle,
# for the zero page, for a hole, and between the phases. At the end the device really runs out of
# memory.
mmap p0 0 32 rw
write p0 0
write p0 1
write p0 2
read p0 3
write p0 9
fail device-page 1
migrate p0 0 1 d0
fail device-page 2
migrate p0 0 3 d0
read p0 1
fail device-page 1
migrate p0 3 1 d0
fail device-page 1
migrate p0 4 1 d0
setup p0 8 4 d1 to-dev
fail device-page 2
pages m0
finalize m0
migrate p0 0 32 d0
fork p0
exit p0
mmap p1 0 8 rw
migrate p1 0 32 d0 # fills the device
fork p1
mmap p0 0 32 rw
migrate p0 0 32 d0 # more than is free
read p0 31
evict d0 0 32
read p0 2
read p1 9
