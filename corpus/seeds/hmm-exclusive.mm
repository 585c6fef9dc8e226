# hmm-tests exclusive: the device has the pages for itself and writes; the CPU takes each one back by touching it, and
# what it says of the pages follows.
mmap p0 0 3 rw
write p0 0
exclusive d0 p0 0 3
pagemap p0 0 4
dev-write d0 p0 0
dev-write d0 p0 1
read p0 0
write p0 1
snapshot d0 p0 0 3
pagemap p0 0 4
