# hmm-tests hmm_gup_test: get_user_pages and pin_user_pages bring device pages back to system
# memory, for reading and for writing.
mmap p0 0 4 rw
write p0 0
write p0 1
write p0 2
write p0 3
migrate p0 0 4 d0
get p0 0 r
get p0 1 w
pin p0 2 r
pin p0 3 w
snapshot d0 p0 0 4
migrate p0 0 4 d0 # nothing moves
put r0
put r1
put r2
put r3
migrate p0 0 4 d0
dev-read d0 p0 3
