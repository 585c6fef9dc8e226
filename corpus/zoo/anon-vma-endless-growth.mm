# anon-vma-endless-growth (3fe89b3e2a7b): an area is to be split, and the clone of its chain fails.
mmap p0 0 2 rw
write p0 0
fail avc 1
munmap p0 0 1
