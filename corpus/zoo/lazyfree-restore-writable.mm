# lazyfree-restore-writable (29f40594a281): the entry of a lazily freed page that was written again
# is restored with the write permission of another entry.
# Reclaim fails because somebody holds the page. The parent's read-only entry becomes writable,
# although a fork shares the page.
mmap p0 0 1 rw
write p0 0
lazyfree p0 0 1
fork p0
get p0 0 r
reclaim p0 0
