# The third worry of the 2019 thread "mm/hmm: Fix bad subpage pointer in try_to_unmap_one": a device
# page is freed and reused. It is reused for a hole at another address, for pages that a fork
# shares, and for pages of another process.
mmap p0 0 2 rw
write p0 0
migrate p0 0 1 d0
fork p0
munmap p0 0 2
exit p1 # frees the device page
mmap p0 8 4 rw
migrate p0 9 1 d0 # reused for a hole
fork p0
read p1 9
write p0 9
dontneed p0 8 4
migrate p1 8 2 d0 # reused for p1's pages
exit p1
write p0 10
migrate p0 10 1 d0
read p0 10
migrate p0 8 4 d0
evict d0 0 32
read p0 10
read p0 9
