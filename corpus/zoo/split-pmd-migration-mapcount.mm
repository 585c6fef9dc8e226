# split-pmd-migration-mapcount (ec0abae6dcdf): the split of a huge migration entry counts a mapping of
# each page.
thp always
mmap p0 0 8 rw
write p0 0
setup p0 0 8 d0 to-dev
dontneed p0 0 1
