# fault-devpriv-no-pageref (16ce101db85d): do_swap_page hands the driver a device page without a
# reference, and without checking the entry again.
# t1's MADV_DONTNEED frees the page before the driver of t0 uses it.
threads 2
preempt 11 t1
mmap p0 6 1 rw
evict d0 0 1
migrate p0 6 1 d0
write p0 6
t1: dontneed p0 6 1
