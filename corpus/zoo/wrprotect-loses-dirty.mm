# wrprotect-loses-dirty (018e9828eb52): write-protecting an entry for a fork drops its dirty bit.
# The page was written, and after the fork its entry is clean.
mmap p0 0 1 rw
write p0 0
fork p0
