# hmm-tests migrate_partial_unmap_fault: parts of a range on the device are unmapped, at its start,
# in the middle and at its end. The rest comes back intact by faults.
mmap p0 4 12 rw
write p0 4
write p0 5
write p0 7
write p0 8
write p0 9
write p0 15
migrate p0 4 12 d0
munmap p0 4 1
munmap p0 8 2
munmap p0 15 1
read p0 4
read p0 5
read p0 7
read p0 8
read p0 10
write p0 14
dev-read d0 p0 13
munmap p0 0 32
