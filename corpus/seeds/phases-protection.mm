# Protection and tracking change while a migration is open: userfaultfd and soft-dirty on migration
# entries, and mprotect in a process that shares the pages.
mmap p0 0 4 rw
uffd-register p0 0 4
write p0 0
write p0 1
fork p0
write p0 1
setup p0 0 2 d0 to-dev
uffd-wp p0 0 2 on # takes write permission from a migration entry
mprotect p1 0 2 none
pages m0
clear-soft-dirty p1
finalize m0
write p0 1 # goes to userfaultfd
read p1 0 # refused
uffd-wp p0 0 2 off
write p0 1
mprotect p1 0 2 rw
read p1 0
migrate p0 0 2 d0
setup p0 0 2 d0 to-sys
uffd-wp p0 1 1 on
pages m0
uffd-wp p0 1 1 off
finalize m0
write p0 1
write p1 1
