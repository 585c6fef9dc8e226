# The second write brings the page in and takes it out of the swap cache at once: it is dirty although nothing was written.
mmap p0 0 1 rw
uffd-register p0 0 1
write p0 0
uffd-wp p0 0 1 on
reclaim p0 0
write p0 0
