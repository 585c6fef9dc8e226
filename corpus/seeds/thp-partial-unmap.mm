# hmm-tests migrate_partial_unmap_fault with a huge page: parts of it are unmapped before and after
# the migration. The rest comes back intact by faults.
thp always
mmap p0 0 16 rw
write p0 0
write p0 5
write p0 8
write p0 15
munmap p0 0 4
migrate p0 4 12 d0
munmap p0 8 2
read p0 5
read p0 15
write p0 12
dev-read d0 p0 13
munmap p0 0 32
