# hmm-tests exclusive_mprotect: mprotect makes the page read-only while a device has exclusive
# access. The device's next write is denied.
mmap p0 0 1 rw
write p0 0
exclusive d0 p0 0 1
mprotect p0 0 1 r
dev-write d0 p0 0
read p0 0
mprotect p0 0 1 rw
write p0 0
