# Reclaim splits a huge page while another thread unmaps it: nothing maps the folio any more, so only
# the reference of the split keeps its anon_vma for the walk that restores the mappings. (Reclaim
# splits only a huge page of which a part is not mapped.)
thp always
threads 2
preempt 7 t1
mmap p0 0 8 rw
write p0 0
munmap p0 7 1
reclaim p0 0
t1: munmap p0 0 8
