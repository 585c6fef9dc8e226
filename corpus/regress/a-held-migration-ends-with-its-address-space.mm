# The open migration is the last user of the parent's address space, and the child's write waits for
# this migration. The parent is gone when the child continues, so the write reuses the page and does
# not copy it. The judge must let the migration finish before it lets the child run.
mmap p0 5 1 rw
write p2 5
fork p0
setup p2 5 12 d1 to-dev
exit p0
write p0 5
