# mlock faults a VMA in and copies the pages that a fork shares. As long as the VMA is mlocked,
# reclaim leaves its pages alone, and MADV_PAGEOUT and MADV_DONTNEED fail.
mmap p0 0 4 rw
write p0 0
write p0 1
reclaim p0 0
fork p0
mlock p0 0 3 on
reclaim p0 0
pageout p0 0 1
dontneed p0 0 1
mlock p0 0 5 on
mlock p0 0 4 off
reclaim p0 0
read p0 0
