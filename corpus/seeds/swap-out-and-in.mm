# A page goes to swap with its bits, comes back for a read, and is then written. A second page goes
# to swap write-protected by userfaultfd, and the write to it goes to userfaultfd.
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
