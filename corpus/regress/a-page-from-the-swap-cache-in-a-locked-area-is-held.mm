# mlock makes a write fault on a page in the swap cache. Since 7.0 the batch of mlock_folio holds
# the page when the fault checks for other references, so the fault copies the page.
mmap p0 3 1 rw
write p0 3
fork p0
read p1 3
reclaim p1 3
read p0 3
exit p0
mlock p1 3 1 on
