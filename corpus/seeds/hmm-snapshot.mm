# hmm-tests snapshot: a driver looks at each page without a fault. Two pages permit no access; the
# others are the zero page, a read-only page, a writable page, a page on this device and a page on
# the other.
mmap p0 0 7 rw
mprotect p0 0 2 none
read p0 2
write p0 3
mprotect p0 3 1 r
write p0 4
write p0 5
migrate p0 5 1 d0
write p0 6
migrate p0 6 1 d1
snapshot d0 p0 0 9
snapshot d1 p0 0 9
read p0 5
snapshot d0 p0 0 9
