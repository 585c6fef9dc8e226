# Reclaim splits a huge page of which a part is not mapped any more. Another huge page is in the
# swap cache. The child has unmapped one of its pages, so the child gets it back page by page. A
# migration splits it.
thp always
mmap p0 0 16 rw
write p0 1
munmap p0 2 2
reclaim p0 1
read p0 1
write p0 8
write p0 12
reclaim p0 8
fork p0
munmap p1 9 1
write p0 12
write p1 12
munmap p0 15 1
read p0 8
migrate p0 8 4 d0
read p1 8
reclaim p0 12
