# split-head-exclusive: the split of a huge entry leaves only the head page exclusive, although the
# entries stay writable.
thp always
mmap p0 0 8 rw
write p0 0
dontneed p0 0 1
