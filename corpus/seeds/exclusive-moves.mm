# Compaction moves a page to which a device has exclusive access, unless the page is pinned or
# locked. Migration to a device skips a page to which a device has exclusive access.
mmap p0 0 4 rw
write p0 0
exclusive d0 p0 0 1
compact p0 0
dev-read d0 p0 0
exclusive d0 p0 0 2
pin p0 1 w
exclusive d1 p0 1 1
compact p0 1
migrate p0 0 4 d0
lock p0 0
compact p0 0
exclusive d0 p0 0 1
fork p0
unlock l0
read p0 0
dontneed p0 1 1
put r0
