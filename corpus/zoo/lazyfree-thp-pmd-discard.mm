# lazyfree-thp-pmd-discard (mm/rmap: don't discard lazyfree THPs at PMD level (2026)): reclaim drops
# a lazily freed page although it was written since (here at the lowest level).
# The second write comes after MADV_FREE, and its word is lost.
mmap p0 0 1 rw
write p0 0
lazyfree p0 0 1
write p0 0
reclaim p0 0
