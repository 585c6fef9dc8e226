# MADV_COLLAPSE makes huge pages of small ones, of holes, of shared pages, of pages in swap and of
# pages on a device. It refuses a page that is pinned, and a VMA with MADV_NOHUGEPAGE.
thp madvise
mmap p0 0 24 rw
collapse p0 0 24
write p0 0
write p0 3
write p0 9
collapse p0 0 16
read p0 3
read p0 5
fork p0
write p0 4
munmap p0 2 1
collapse p0 0 16
collapse p0 8 8
collapse p1 0 8
read p1 4
write p0 16
write p0 17
write p0 18
pageout p0 17 1
migrate p0 18 1 d0
collapse p0 16 8
read p0 17
read p0 18
migrate p0 16 8 d0
collapse p0 16 8
mprotect p0 20 1 r
collapse p0 16 8
hugepage p0 8 8 off
collapse p0 8 8
dontneed p0 8 8
write p0 9
pin p0 9 w
hugepage p0 8 8 on
collapse p0 8 8
put r0
collapse p0 8 8
pagemap p0 8 16
