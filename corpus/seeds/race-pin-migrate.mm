# get_user_pages and pin_user_pages on one thread race with migration and fork on the other. The
# reference is taken before the collection, between collection and copy, and before the check for
# other references.
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
