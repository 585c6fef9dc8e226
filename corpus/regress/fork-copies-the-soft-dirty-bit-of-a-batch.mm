# In a soft-dirty VMA, fork gives the child's entries of a large folio the soft-dirty bit of the
# first one. The model copied the bit of each entry. Found by 5,000 random programs with huge pages
# on Linux 7.3.4. The VMA keeps the pages soft-dirty for user space.
thp always
mmap p0 0 24 rw
exclusive d0 p0 16 1
clear-soft-dirty p0
write p0 18
mmap p0 16 1 rw
fork p0
