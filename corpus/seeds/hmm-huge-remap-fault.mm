# migrate_remap_fault: a huge page of the device moves, whole and in part, and faults back.
thp always
mmap p0 0 16 rw
write p0 3
write p0 9
migrate p0 0 16 d0
mremap p0 0 8 24 8 fixed
mremap p0 8 8 2 8 dontunmap
read p0 27
read p0 3
read p0 9
