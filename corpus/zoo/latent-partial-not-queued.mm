thp always
mmap p0 0 8 rw
write p0 0
migrate p0 0 8 d0
munmap p0 0 1
evict d0 0 8
