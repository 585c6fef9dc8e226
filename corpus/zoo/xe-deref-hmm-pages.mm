# xe-deref-hmm-pages (0a98219bcc96): the driver uses a page from hmm_range_fault before it checks
# the sequence.
# The driver of t1 has found the page. t0 frees it, and the driver then marks it dirty.
threads 2
preempt 4 t0
mmap p0 0 1 rw
t1: dev-write d0 p0 0
munmap p0 0 1
