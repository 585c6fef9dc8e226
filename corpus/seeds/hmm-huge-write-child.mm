# anon_write_child with a huge page on the device: the child writes to a copy of one page.
thp always
mmap p0 0 8 rw
write p0 0
write p0 3
migrate p0 0 8 d0
fork p0
dev-write d0 p1 3
read p0 3
read p1 3
read p1 0
snapshot d0 p0 0 8
