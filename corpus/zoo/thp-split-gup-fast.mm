# thp-split-gup-fast (3a5a8d343e1c): gup_fast keeps its reference without checking the entry again
# (here at the lowest level).
# t1 has read the entry. Then t0 frees the page, and its frame is reused for page 1, to which t1
# gets a reference.
threads 2
preempt 2 t1
preempt 3 t0
mmap p0 0 2 rw
write p0 0
dontneed p0 0 1
write p0 1
t1: get-fast p0 0 r
