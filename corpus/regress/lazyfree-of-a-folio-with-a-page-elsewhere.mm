# The folio has as many mappings as pages, but one of them lies outside the range. So the folio is
# split, and not freed lazily as a whole.
thp always
mmap p0 0 16 rw
write p0 8
mremap p0 9 1 0 1 dontunmap
lazyfree p0 8 8
pageout p0 0 1
