# mprotect splits VMAs with pages on the device and in system memory, and merges them again. Their
# ranges lie across the boundary of a page table. The rmap walk still finds all pages.
geometry x86-64
mmap p0 8 16 rw
write p0 9
write p0 12
write p0 16
write p0 20
migrate p0 8 8 d0
fork p0
mprotect p0 10 8 r
mprotect p0 12 2 none
evict d0 1 1
migrate p1 14 6 d1
mprotect p0 12 2 r
mprotect p0 10 8 rw
mprotect p1 8 16 r
munmap p1 15 2
evict d0 0 32
evict d1 0 32
write p0 12
write p0 16
read p1 12
read p1 20
mmap p0 24 4 rw # merges
write p0 24
mmap p0 4 4 rw
write p0 4
migrate p0 4 24 d0
read p0 4
read p0 27
