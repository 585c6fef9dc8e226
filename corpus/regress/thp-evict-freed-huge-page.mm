# Frames 6 and 7 were parts of a huge page that was freed; frame 8 has a live page. Linux 7.3.4
# skips frame 8.
thp always
mmap p0 0 17 r
migrate p0 8 9 d0
read p0 8
evict d0 6 3
