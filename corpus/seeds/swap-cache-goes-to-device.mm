# A page in the swap cache does not migrate to the device while another entry names its swap slot.
mmap p0 0 2 rw
write p0 0
write p0 1
reclaim p0 0
reclaim p0 1
fork p0
read p0 0
migrate p0 0 2 d0
exit p1
migrate p0 0 2 d0
dev-read d0 p0 0
evict d0 0 4
read p0 1
