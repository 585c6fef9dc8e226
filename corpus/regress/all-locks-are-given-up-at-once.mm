# The migration waits for the huge folio, whose lock and that of page 8 are then released at once.
# The judge's driver unlocked one after the other, and the migration went on in between: it found
# page 8 locked, and moved 64 pages less than the model. Found by 5,000 random programs with huge
# pages on Linux 7.3.4.
thp always
mmap p0 0 10 rw
get p0 0 w
write p0 8
lock p0 0
mmap p0 0 1 none
lock p0 8
migrate p0 4 5 d0
