# A pin on one page of a huge page holds the whole folio: migration and reclaim leave it alone, and a
# fork copies its pages.
thp always
mmap p0 0 8 rw
write p0 0
pin p0 3 w
migrate p0 0 8 d0
reclaim p0 1
fork p0
write p0 3
write p1 3
put r0
reclaim p0 1
migrate p0 0 8 d0
read p0 3
read p1 3
