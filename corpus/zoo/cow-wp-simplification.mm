# cow-wp-simplification (be068f29034f): wp_can_reuse_anon_folio leaves the folio locked when it refuses.
mmap p0 5 1 rw
write p0 5
fork p0
pin p0 5 r
