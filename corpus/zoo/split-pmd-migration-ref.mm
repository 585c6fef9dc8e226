# split-pmd-migration-ref (9d84604b845c): the split of a huge migration entry takes a reference for
# each page.
thp always
mmap p0 0 8 rw
write p0 0
setup p0 0 8 d0 to-dev
dontneed p0 0 1
