# huge-reuse-held: a write reuses a huge page although somebody besides its entry holds it.
thp always
mmap p0 0 8 rw
write p0 0
fork p0
get p1 0 r
dontneed p1 0 8
write p0 0
