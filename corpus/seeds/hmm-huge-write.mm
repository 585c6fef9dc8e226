# anon_write_huge: a device writes to a huge page of system memory, and the CPU sees it.
thp always
mmap p0 0 8 rw
write p0 0
dev-write d0 p0 0
dev-write d0 p0 5
read p0 5
read p0 0
