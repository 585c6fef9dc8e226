# A move of several areas fails behind the first one, which is not registered where the area that it replaced was.
mmap p0 0 4 none
uffd-register p0 1 3
mremap p0 0 2 3 2 fixed
munmap p0 0 2
uffd-wp p0 0 4 off
