# madvise faults pages in. For reading, it maps the zero page, which can then be write-protected.
# For writing, it copies pages that a fork shares and brings a device page back. It fails on a
# read-only page, a write-protected page and a gap.
mmap p0 0 6 rw
populate p0 0 2 r
uffd-register p0 0 2
uffd-wp p0 0 1 on
write p0 0 # goes to userfaultfd: the zero page is write-protected
populate p0 0 2 w # fails at once
populate p0 1 3 w
write p0 2
fork p0
populate p1 0 4 w # its pages are not registered
read p1 2
migrate p0 2 2 d0
populate p0 2 2 r
mprotect p0 3 1 r
populate p0 2 2 w # fails at the second page
munmap p0 4 1
populate p0 3 3 r # fails at the gap
fail page 1
populate p0 5 1 w # out of memory
fail page 2
populate p1 4 2 w # the second page is tried once more
read p0 5
read p1 5
