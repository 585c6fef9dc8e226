# A fault maps a huge page where the VMA covers its range. Where it does not, where a page is mapped
# already, or where there is no huge page, the fault falls back to a small one.
thp always
mmap p0 4 12 rw
write p0 5
write p0 9
read p0 15
mmap p0 16 8 r
read p0 17
mprotect p0 16 8 rw
write p0 20
mmap p0 24 8 rw
fail page 1
write p0 30
munmap p0 0 32
