# smaps-mapcount-migration (24d7275ce279): an observer reads the mapcount of a page under migration
# (here: pagemap).
# A fork shares the page. t0's migration has replaced one of two mappings, so pagemap calls the page
# exclusive.
threads 2
preempt 8 t1
mmap p0 0 1 rw
write p0 0
fork p0
migrate p0 0 1 d0
t1: pagemap p0 0 1
