# Nobody takes a page that a device had for itself out of the swap cache when its mapping goes: the slot stays in use.
mmap p0 0 2 rw
write p0 0
write p0 1
pageout p0 0 2
read p0 0
exclusive d0 p0 0 1
munmap p0 0 1
dontneed p0 1 1
