# uffdwp-deferred-flush (6ce64428d620): a write fault copies a page that another CPU still writes
# to, because UFFDIO_WRITEPROTECT has not flushed yet (here with the rules of 5.12 for
# reusing a page in copy-on-write).
# t0 sets the protection and t1 clears it; neither has flushed. t2 copies the page. t3 writes to the
# old one through a stale TLB entry, and that write is lost.
threads 4
preempt 5 t1
preempt 8 t2
preempt 11 t3
mmap p0 0 1 rw
uffd-register p0 0 1
t3: write p0 0
get p0 0 r
uffd-wp p0 0 1 on
t1: uffd-wp p0 0 1 off
t2: get p0 0 w
t3: write p0 0
