# cow-either-way (17839856fd58): a write reuses a page in place that is mapped once, whoever else holds a reference.
mmap p0 1 1 rw
get p0 1 w
fork p0
exit p0
write p0 1
