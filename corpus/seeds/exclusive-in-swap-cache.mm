# A device has exclusive access to a page in the swap cache. munmap of the page leaves the folio in
# the swap cache, so its slot stays in use.
mmap p0 0 2 rw
write p0 0
write p0 1
pageout p0 0 2
read p0 0
exclusive d0 p0 0 1
munmap p0 0 1
dontneed p0 1 1
