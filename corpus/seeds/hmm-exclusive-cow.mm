# hmm-tests exclusive_cow: a fork ends the device's exclusive access and shares the page. The
# device's next write copies it.
mmap p0 0 2 rw
write p0 0
exclusive d0 p0 0 2
fork p0
dev-write d0 p0 0
read p1 0
write p1 0
read p0 0
