# p0 migrates pages that it shares with p1, and p1 forks between the phases. The grandchild inherits
# migration entries, and the end of the migration must find them. Then the same happens on the way
# back.
geometry x86-64
mmap p0 14 4 rw
write p0 15
write p0 16
fork p0
setup p0 14 4 d0 to-dev
fork p1
pages m0
fork p1
finalize m0
read p2 15
read p3 16
dev-read d0 p0 16
migrate p0 14 4 d0
fork p2 # before the migration
setup p0 14 4 d0 to-sys
fork p1
pages m0
finalize m0
read p0 16
read p4 15
read p5 16
write p5 15
read p1 15
