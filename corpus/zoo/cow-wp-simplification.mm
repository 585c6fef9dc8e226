# cow-wp-simplification (be068f29034f): a write fault that reuses a page unlocks it only after it
# has dropped the page-table lock (here: wp_can_reuse_anon_folio returns with the folio locked if it
# refuses).
# The pin unshares a page that a fork shares, and the old folio stays locked.
mmap p0 5 1 rw
write p0 5
fork p0
pin p0 5 r
