# xe-deref-hmm-pages (0a98219bcc96): the page that hmm_range_fault found is freed before the driver looks at the sequence.
threads 2
preempt 4 t0
mmap p0 0 1 rw
t1: dev-write d0 p0 0
munmap p0 0 1
