# fork-vs-gup-fast (57efa1fe5957): a page is pinned between the look for pins of a fork and its write protection.
threads 2
preempt 4 t1
mmap p0 0 1 rw
write p0 0
fork p0
t1: pin-fast p0 0 w
