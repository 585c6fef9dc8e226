# A migration is open while its migration entries are removed: by MADV_DONTNEED of the same process,
# by munmap of another process that shares the pages, and by munmap of the same process, which has
# to wait.
mmap p0 0 8 rw
write p0 0
write p0 1
write p0 2
write p0 3
fork p0
setup p0 0 6 d0 to-dev
dontneed p0 1 1
munmap p1 2 1
read p0 1 # faults in a new page
pages m0
dontneed p0 4 1 # a hole that the migration has filled
munmap p1 0 1
finalize m0
read p0 0
read p0 1
read p0 4
read p1 1
setup p0 0 4 d0 to-sys
dontneed p0 2 1
pages m0
munmap p0 0 4
read p1 3
finalize m0
