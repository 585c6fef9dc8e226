# hmm-tests anon_write_prot: the device may read a read-only VMA and not write to it. After mprotect
# to read-write it may write.
mmap p0 8 4 r
dev-read d0 p0 8
dev-write d0 p0 8
read p0 8
write p0 8
mprotect p0 8 4 rw
dev-write d0 p0 8
dev-write d0 p0 9
read p0 8
read p0 9
