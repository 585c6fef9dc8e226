# Clearing soft-dirty invalidates the whole address space. With the bug xe-notifier-folio-lock the
# driver went through every page of it, one by one, and the run did not end.
geometry x86-64
mmap p0 0 3 rw
write p0 0
pageout p0 0 4
clear-soft-dirty p0
read p0 0
