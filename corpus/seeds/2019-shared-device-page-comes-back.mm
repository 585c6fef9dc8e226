# The second worry of the 2019 thread "mm/hmm: Fix bad subpage pointer in try_to_unmap_one": a
# device page that several processes map comes back to system memory. One process faults on page 0,
# the driver migrates page 1, and an eviction takes the rest. All processes read the same data, and
# each later write is private.
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
