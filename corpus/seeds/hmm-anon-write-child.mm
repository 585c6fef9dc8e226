# hmm-tests anon_write_child: after a fork, a device write for the child copies the page, be it in
# system memory (page 0) or on the device (pages 1 and 2). The parent's data stay.
mmap p0 0 4 rw
write p0 0
write p0 1
write p0 2
migrate p0 1 2 d0
fork p0
dev-write d0 p1 0
dev-write d0 p1 1
dev-write d1 p1 2 # through the other device
read p0 0
read p0 1
read p0 2
read p1 0
read p1 1
read p1 2
dev-read d0 p0 1
exit p1
write p0 1
