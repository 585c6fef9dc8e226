# A page goes to swap with its bits, comes back for a read, and is then written. A second page,
# which userfaultfd write-protects, also goes to swap, and a write to this page goes to userfaultfd.
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
