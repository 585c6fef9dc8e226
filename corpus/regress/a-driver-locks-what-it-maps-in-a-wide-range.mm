# Clearing soft-dirty announces the whole address space; with the bug xe-notifier-folio-lock the driver went through all
# of its pages, one by one, and the run did not end.
geometry x86-64
mmap p0 0 3 rw
write p0 0
pageout p0 0 4
clear-soft-dirty p0
read p0 0
