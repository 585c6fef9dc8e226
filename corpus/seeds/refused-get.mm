# A page does not migrate while somebody holds a plain reference. The reference is taken with a
# fault (get) or without one (hold), before a migration or between its phases. A device page that
# somebody holds comes back only after the reference is dropped.
mmap p0 0 4 rw
write p0 0
write p0 1
get p0 0 r
migrate p0 0 2 d0
read p0 0
put r0
migrate p0 0 2 d0
hold p0 1
migrate-back p0 0 2 d0
evict d0 0 32
read p0 1 # waits until the reference is dropped
setup p0 0 2 d0 to-dev
hold p0 0 # through the migration entry
pages m0
finalize m0
read p0 0
put r0
migrate p0 0 2 d0
setup p0 0 2 d0 to-sys
hold p0 1
pages m0
put r0
finalize m0
read p0 0
read p0 1
