# hmm-tests exclusive: the device has exclusive access to the pages and writes to them. An access of
# the CPU ends the exclusive access to that page. pagemap shows the pages before and after.
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
