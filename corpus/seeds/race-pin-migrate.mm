# A pin comes before a migration collects the page. In a second migration, a speculative reference
# is taken through the migration entry, before the migration checks for other references. Then a
# write races with the fork of a pinned page.
threads 2
preempt 4 t1
preempt 17 t1
preempt 24 t1
mmap p0 0 4 rw
write p0 0
write p0 1
migrate p0 0 2 d0
t1: pin p0 0 w
t1: hold p0 1
put r0
migrate p0 0 2 d0
t1: hold p0 0 # through the migration entry
t1: get p0 0 r
put r0
put r1
t1: pin p0 0 w
fork p0
t1: write p0 0
read p1 0
