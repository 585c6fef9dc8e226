# khugepaged-uffdwp-recheck (dd47ac428c3f): t1 write-protects a page for userfaultfd after the
# collapse of t0 has looked at its entry, and before the collapse has mmap_lock for writing. Then the
# huge entry is writable.
thp madvise
threads 2
preempt 25 t1
mmap p0 0 8 rw
uffd-register p0 0 8
populate p0 0 8 w
collapse p0 0 8
t1: uffd-wp p0 0 1 on
write p0 0
