# oom-reaper-tlb (687cb0884a71): a dying address space is not flushed before its pages are freed.
# The process exits, and its CPU still has a TLB entry for the freed page.
mmap p0 0 1 rw
write p0 0
exit p0
