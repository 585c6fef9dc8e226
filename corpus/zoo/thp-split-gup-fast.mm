# thp-split-gup-fast (3a5a8d343e1c): the page is unmapped and its frame reused before gup_fast takes its reference.
threads 2
preempt 2 t1
preempt 3 t0
mmap p0 0 2 rw
write p0 0
dontneed p0 0 1
write p0 1
t1: get-fast p0 0 r
