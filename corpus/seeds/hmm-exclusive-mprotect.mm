# hmm-tests exclusive_mprotect: the protection goes to read-only while a device has the page; its next write is denied.
mmap p0 0 1 rw
write p0 0
exclusive d0 p0 0 1
mprotect p0 0 1 r
dev-write d0 p0 0
read p0 0
mprotect p0 0 1 rw
write p0 0
