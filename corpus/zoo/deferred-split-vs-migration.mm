thp always
mmap p0 0 8 rw
write p0 0
migrate p0 0 8 d0
