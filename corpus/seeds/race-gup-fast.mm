# A pin without a lock has read the entry when the page is unmapped and its frame is reused for
# another page.
threads 2
preempt 2 t1
preempt 3 t0
mmap p0 0 2 rw
write p0 0
dontneed p0 0 1
write p0 1
t1: pin-fast p0 0 r
read p0 0
