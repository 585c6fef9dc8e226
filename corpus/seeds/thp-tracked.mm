# Soft-dirty and userfaultfd write protection of a huge page, whole and in part, across a move and
# lazy freeing.
thp always
mmap p0 0 16 rw
write p0 0
write p0 8
clear-soft-dirty p0
pagemap p0 0 16
write p0 2
pagemap p0 0 16
uffd-register p0 8 8
uffd-wp p0 8 4 on
write p0 9
uffd-wp p0 8 4 off
write p0 9
mremap p0 0 8 16 8 fixed
read p0 18
lazyfree p0 8 8
pageout p0 16 4
read p0 17
dontneed p0 16 8
read p0 17
