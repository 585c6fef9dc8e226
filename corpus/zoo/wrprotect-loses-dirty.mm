# wrprotect-loses-dirty (018e9828eb52): fork write-protects a dirty entry, and it is clean.
mmap p0 0 1 rw
write p0 0
fork p0
