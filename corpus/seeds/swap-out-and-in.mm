# A page goes to swap with its bits, comes back for a read, and is then written. userfaultfd
# write-protects another one.
mmap p0 0 2 rw
uffd-register p0 1 1
write p0 0
write p0 1
uffd-wp p0 1 1 on
reclaim p0 0
reclaim p0 1
read p0 0
write p0 0
write p0 1
