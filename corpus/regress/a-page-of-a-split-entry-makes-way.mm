# mremap splits a write-protected huge entry and unmaps one of its pages, where a VMA without
# userfaultfd arrives. An oracle looked for the new VMA at the old entry.
thp always
mmap p0 0 8 rw
uffd-register p0 0 8
write p0 0
uffd-wp p0 0 8 on
mremap p0 0 1 1 1 fixed
