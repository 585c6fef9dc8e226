# pvmw-pte-mapped-thp (a9a7504d9bea): page_vma_mapped_walk ends at a hole, and misses the pages
# behind it. The hole appears while the migration is open.
thp always
mmap p0 0 8 rw
write p0 0
fork p0
mprotect p1 0 1 r
setup p0 0 8 d0 to-dev
dontneed p1 3 1
finalize m0
