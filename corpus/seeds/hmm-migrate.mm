# hmm-tests migrate: a whole range migrates to the device, across the boundary of a page table. The
# device sees the data.
geometry x86-64
mmap p0 13 6 rw
write p0 13
write p0 14
write p0 15
write p0 16
write p0 17
write p0 18
migrate p0 13 6 d0
dev-read d0 p0 13
dev-read d0 p0 15
dev-read d0 p0 16
dev-read d0 p0 18
dev-write d0 p0 16
read p0 16
