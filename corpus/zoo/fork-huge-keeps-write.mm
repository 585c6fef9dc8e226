# fork-huge-keeps-write: fork leaves the huge entry of the parent writable.
thp always
mmap p0 0 8 rw
write p0 0
fork p0
