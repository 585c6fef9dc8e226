# A huge page is shared with a child and goes to a device. It stays whole in the fork and in the
# migration. Both processes and the device touch its pages.
thp always
mmap p0 0 8 rw
write p0 0
write p0 7
fork p0
migrate p0 0 8 d0
write p1 3
read p0 7
dev-read d0 p0 0
dev-write d0 p0 5
read p1 5
exit p1
read p0 5
