# The migration that p1 waits for is the last user of p0: p0 is gone when p1 goes on, and so the page is reused and not
# copied. The judge has to let the migration finish before it lets p1 run.
mmap p0 5 1 rw
write p2 5
fork p0
setup p2 5 12 d1 to-dev
exit p0
write p0 5
