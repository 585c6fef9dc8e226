# munmap at the edges and in the middle of VMAs that a family of processes shares, with pages on two
# devices. An mmap replaces a part. The rest of the VMA migrates to the device and comes back.
mmap p0 8 16 rw
write p0 8
write p0 12
write p0 15
write p0 16
write p0 23
migrate p0 8 8 d0
migrate p0 16 8 d1
fork p0
munmap p0 0 9
munmap p0 14 4
munmap p1 23 1
mmap p1 15 2 rw
read p0 12
read p1 12
write p1 15
read p0 23
read p0 15
evict d1 0 32
migrate p1 8 14 d0
munmap p1 0 32
evict d0 0 32
