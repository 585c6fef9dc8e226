# cow-either-way (17839856fd58): a write reuses a page that is mapped once, even if somebody else
# holds a reference.
# The parent takes a reference, forks and exits. The child's write then changes the page under that
# reference.
mmap p0 1 1 rw
get p0 1 w
fork p0
exit p0
write p0 1
