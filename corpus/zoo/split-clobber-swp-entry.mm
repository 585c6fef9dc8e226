thp always
mmap p0 0 8 rw
write p0 0
reclaim p0 0
read p0 0
split p0 0 1
