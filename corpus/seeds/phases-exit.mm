# A migration is open while another process of the family exits, while the migrating process exits,
# and when the last process exits. The pages that the migration holds are freed once.
mmap p0 0 4 rw
write p0 0
write p0 1
fork p0
setup p0 0 4 d0 to-dev
exit p1
pages m0
finalize m0
fork p0
setup p0 0 2 d0 to-sys
exit p0
pages m0
read p1 0
finalize m0
read p1 0
read p1 1
mmap p0 0 4 rw
write p0 2
setup p0 2 2 d1 to-dev
exit p0
