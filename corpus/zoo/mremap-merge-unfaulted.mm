# mremap-merge-unfaulted (61f67c230a5e): a VMA without pages grows over a moved VMA and does not get
# its anon_vmas.
# The page moves to page 4 and back to page 0. The VMA of page 1, which has no pages, grows over it.
mmap p0 0 1 rw
write p0 0
mmap p0 8 1 rw
mremap p0 0 1 4 1 fixed
mremap p0 8 1 5 1 fixed
mmap p0 1 1 rw
mremap p0 4 1 0 1 fixed
