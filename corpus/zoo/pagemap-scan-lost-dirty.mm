# pagemap-scan-lost-dirty (c70dce4982ce): write protection writes back an old copy of the entry
# (here: UFFDIO_WRITEPROTECT).
# t0 has read the clean entry when t1 writes to the page. The dirty bit is lost.
threads 2
preempt 18 t1
mmap p0 0 1 rw
migrate p0 0 1 d0
read p0 0
uffd-register p0 0 1
uffd-wp p0 0 1 on
t1: write p0 0
