# hmm-tests anon_write: the device writes to untouched memory and to memory that the CPU has
# written. The CPU sees these writes.
geometry x86-64
mmap p0 12 8 rw
dev-write d0 p0 12
dev-write d0 p0 16 # beyond the boundary of a page table
read p0 12
read p0 16
write p0 13
dev-write d0 p0 13
read p0 13
write p0 13
dev-read d0 p0 13
