# A huge page goes to swap whole, comes back from the swap cache in one fault, and then in parts.
thp always
mmap p0 0 16 rw
write p0 0
write p0 5
reclaim p0 0
read p0 5
write p0 1
reclaim p0 3
reclaim p0 3
munmap p0 6 1
write p0 5
read p0 7
write p0 8
fork p0
pageout p0 8 8
exit p1
pageout p0 8 8
write p0 9
read p0 15
