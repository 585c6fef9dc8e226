# fork-vs-gup-fast (57efa1fe5957): gup_fast pins between fork's check for pins and its write
# protection, and no sequence count tells it about the fork.
# t1 pins the page while the fork of t0 is between the two.
threads 2
preempt 4 t1
mmap p0 0 1 rw
write p0 0
fork p0
t1: pin-fast p0 0 w
