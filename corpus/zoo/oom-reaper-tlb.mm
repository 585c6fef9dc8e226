# oom-reaper-tlb (687cb0884a71): the pages of a process that exits are freed, and a CPU still translates to them.
mmap p0 0 1 rw
write p0 0
exit p0
