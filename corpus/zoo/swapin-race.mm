# swapin-race (4969c1192d15): do_swap_page does not check that the folio it has locked is still in
# the swap cache of its slot.
# t1 has found the folio. Then t0 frees the swap slot, and a new page at the same address gets the
# slot.
threads 2
preempt 6 t1
preempt 9 t0
mmap p0 0 1 rw
write p0 0
reclaim p0 0
dontneed p0 0 1
write p0 0
reclaim p0 0
t1: read p0 0
