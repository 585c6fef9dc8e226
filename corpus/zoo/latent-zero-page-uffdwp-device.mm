# The zero page is write-protected for userfaultfd, and comes back from a device without that.
mmap p0 0 1 rw
uffd-register p0 0 1
read p0 0
uffd-wp p0 0 1 on
migrate p0 0 1 d0
