# Since 6.17 one mremap moves several VMAs with the gaps between them. The page that was mapped at
# page 22 before stays, since only a gap moves there. Page 5 arrives at page 25.
mmap p0 0 2 rw
mmap p0 5 1 r
mmap p0 20 6 rw
write p0 1
write p0 22
mremap p0 0 6 20 6 fixed
read p0 21
read p0 22
read p0 25
uffd-register p0 25 1
mremap p0 20 6 0 6 fixed
