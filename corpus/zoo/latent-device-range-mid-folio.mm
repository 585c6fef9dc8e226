thp always
mmap p0 0 16 rw
migrate p0 0 16 d0
evict d0 1 15
