# migrate_partial_unmap_fault: a part of a huge page of the device is unmapped, and the rest faults
# back page by page.
thp always
mmap p0 0 24 rw
write p0 3
write p0 8
write p0 13
migrate p0 0 24 d0
munmap p0 0 2
munmap p0 10 2
munmap p0 20 4
read p0 3
read p0 8
read p0 13
read p0 16
