# A move of several areas runs out of memory behind the first one, which a fork leaves in where the area that it replaced was left out.
mmap p0 0 6 r
fail page-table 3
dontfork p0 3 3 on
read p0 0
mremap p0 0 4 5 4 fixed
fork p0
dontfork p1 5 1 off
