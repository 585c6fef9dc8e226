# MADV_DONTNEED of device pages, of pages that a child shares, across a gap, and of a page that
# somebody holds. The pages read as zero afterwards, in this process only.
mmap p0 0 8 rw
write p0 0
write p0 1
write p0 2
migrate p0 0 3 d0
fork p0
hold p0 2
dontneed p0 0 3
read p0 0
dev-read d0 p0 1
read p1 0
read p1 1
munmap p0 4 1
dontneed p0 2 6 # fails with ENOMEM, after its work
read p0 2
dontneed p1 0 8
put r0
migrate p1 0 4 d0
