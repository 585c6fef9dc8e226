# mremap splits a write-protected huge entry and unmaps one of its pages, to put a VMA without
# userfaultfd in its place. An oracle checked the old entry against the new VMA.
thp always
mmap p0 0 8 rw
uffd-register p0 0 8
write p0 0
uffd-wp p0 0 8 on
mremap p0 0 1 1 1 fixed
