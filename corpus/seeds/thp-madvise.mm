# With `thp madvise`, faults map huge pages only where it was advised. Advice against huge pages
# leaves those that are mapped, and a migration of a hole ignores it.
thp madvise
mmap p0 0 32 rw
write p0 1
hugepage p0 8 16 on
write p0 9
read p0 17
fork p0
write p1 18
hugepage p0 8 8 off
write p0 10
dontneed p0 8 8
migrate p0 8 8 d0
read p0 11
dontneed p0 8 8
write p0 12
hugepage p0 0 32 on
write p0 25
hugepage p1 8 24 off
read p1 26
exit p1
