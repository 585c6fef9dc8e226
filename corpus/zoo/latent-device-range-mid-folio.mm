thp always
mmap p0 0 16 rw
write p0 0
migrate p0 0 16 d0
evict d0 1 15
