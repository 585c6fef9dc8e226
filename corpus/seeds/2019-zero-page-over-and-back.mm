# The first worry of the 2019 thread "mm/hmm: Fix bad subpage pointer in try_to_unmap_one": the zero
# page migrates to the device and comes back, repeatedly: by a fault, by the driver and by eviction.
# The zero page is never counted as a mapped page.
mmap p0 0 4 rw
read p0 0
migrate p0 0 1 d0
dev-read d0 p0 0
read p0 0
dontneed p0 0 1
read p0 0
migrate p0 0 1 d0
migrate-back p0 0 1 d0
dontneed p0 0 1
read p0 0
migrate p0 0 1 d1
evict d1 0 32
read p0 0
dontneed p0 0 4
read p0 0
read p0 1
fork p0 # two processes map the zero page
migrate p0 0 2 d0
read p1 0
write p0 0
read p1 0
migrate p1 0 2 d1
dev-write d1 p1 1
read p0 1
